"""Print purchases that are open or undelivered."""

from __future__ import annotations

from collections.abc import Sequence

from payer.values.money import Amount
from payer.values.purchase import Purchase, where_it_is, whose
from tollbook.cli.terminal.output import Output


def show_lost(output: Output, undelivered: Sequence[Purchase], failed: Sequence[Purchase]) -> None:
    """Print what was paid for nothing, and waits for an operator."""
    decides = "needs operator approval (accept-loss)"
    show_purchases(output, f"Undelivered: paid, no data; {decides}", undelivered)
    show_purchases(output, f"Failed: a body came that can't be used; {decides}", failed)


def show_purchases(output: Output, title: str, purchases: Sequence[Purchase]) -> None:
    """Print purchases under a title; nothing when there are none."""
    if not purchases:
        return
    output.heading(title)
    rows = [
        (
            p.purchase_id,
            p.order.dataset,
            p.money.value,
            f"{Amount(p.committed, p.asset)}",
            f"{p.created_at:%Y-%m-%d %H:%M}",
        )
        for p in purchases
    ]
    output.table(("purchase", "dataset", "money", "amount", "since"), rows, right=frozenset({3}))
    for p in purchases:
        if told := whose(p):
            output.line(f"  {p.purchase_id}: {told}", hang=20)
            output.line(f"  {p.purchase_id}: {where_it_is(p)}", hang=20)
        for said in (*p.answers, *([p.failure] if p.failure else [])):
            output.line(f"  {p.purchase_id}: {said}", hang=20)
