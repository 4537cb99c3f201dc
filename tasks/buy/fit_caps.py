"""Trim a bill to the spending caps: what is never sold again goes first, then the newest, then gaps, oldest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from payer.values.request import Run
from tasks.buy.bill import Bill, Due, Item
from tasks.buy.caps import ALONE, Beside, CapLine, cap_lines
from tasks.workspace.workspace import Workspace


def fit_caps(ws: Workspace, run: Run, bill: Bill, *, whole: bool, begun: bool = False, beside: Beside = ALONE) -> Bill:
    """Return the bill as far as every cap allows, with the caps beside it.

    A `whole` bill, or one of which nothing fits, stays as it is and carries its refusal. Otherwise what doesn't fit is
    postponed, and only where that can't wait does the bill carry a refusal as well. Once `begun`, a whole bill is
    trimmed like any other, and carries the refusal that trimmed it. Of a frozen seller nothing is bought.
    """
    counted = _counted(ws, run, bill)
    paid_sellers = {item.order.seller for item in bill.items if not item.order.free}
    frozen = next((freeze for freeze in ws.ledger.freezes() if freeze.holds_for(paid_sellers)), None)
    if frozen is not None:
        return replace(bill, caps=_lines(ws, run, bill, counted, beside, "--max-cost"), refusal=frozen.refusal())
    name = "the approved amount" if begun and whole else "--max-cost"
    lines = _lines(ws, run, bill, counted, beside, name)
    refused = next((line for line in lines if line.refuses), None)  # in the order in which the ledger checks
    if refused is None:
        return replace(bill, caps=lines)
    fits = set() if whole and not begun else _fitting(bill.all_items, lines, counted)
    if not begun and not any(item.key in fits for item in bill.items):
        return replace(bill, caps=lines, refusal=refused.refusal())
    postponed = tuple(item for item in bill.all_items if item.key not in fits)
    urgent = whole or any(item.due is not Due.WHENEVER for item in postponed)
    kept = bill.only(lambda item: item.key in fits)
    return replace(
        kept,
        caps=_lines(ws, run, kept, counted, beside, name),
        postponed=postponed,
        refusal=refused.refusal() if urgent else None,
    )


def urgent_only(bill: Bill) -> Bill:
    """Return the bill without the gaps that can wait."""
    waits = tuple(item for item in bill.all_items if item.due is Due.WHENEVER)
    kept = bill.only(lambda item: item.due is not Due.WHENEVER)
    return replace(kept, postponed=(*bill.postponed, *waits))


def _lines(
    ws: Workspace, run: Run, bill: Bill, counted: Collection[str], beside: Beside, budget_name: str
) -> tuple[CapLine, ...]:
    wanted = sum(item.price or 0 for item in bill.all_items if item.key not in counted)
    dearest = max((item.price or 0 for item in bill.all_items), default=0)
    return cap_lines(ws, run, bill.asset, bill.seller, wanted, dearest, beside, budget_name)


def _counted(ws: Workspace, run: Run, bill: Bill) -> set[str]:
    """Return purchase keys that the caps hold already: open purchases of an earlier run, and pieces that another home
    of the wallet paid for."""
    held = {purchase.purchase_key for purchase in ws.ledger.open_purchases() if purchase.committed > 0}
    if not ws.has_wallet or not ws.ledger.elsewhere.nonces(bill.asset, None, run.started_at):
        return held
    return held | ws.payer.bought_elsewhere([item.order for item in bill.all_items], bill.asset, run)


def _fitting(items: Sequence[Item], lines: Sequence[CapLine], counted: Collection[str]) -> set[str]:
    """Return the keys of what fits, unit by unit: a listing's pages are all bought, or none is."""
    left = min(line.limit - line.committed for line in lines if line.adds_up)
    fits: set[str] = set()
    units: dict[object, list[Item]] = {}
    for item in sorted(items, key=lambda item: (item.due, item.age)):
        alone = item.due is Due.WHENEVER  # each page of a series
        units.setdefault(item.key if alone else (item.order.dataset, item.order.context.get("group")), []).append(item)
    for unit in units.values():
        cost = sum(item.price or 0 for item in unit if item.key not in counted)
        if cost <= left:
            left -= cost
            fits |= {item.key for item in unit}
    return fits
