"""`tollbook reconcile`: ledger, chain and bodies compared, to the unit."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.answer import Answer

Rescan = Annotated[bool, typer.Option("--rescan", help="Read the blocks that were closed before once more, too.")]


def reconcile(rescan: Rescan = False, as_json: options.Json = False) -> int:
    """Compare the ledger with the chain to the last atomic unit, and every body with its hash."""
    from tasks.ops.reconcile import reconcile_all
    from tollbook.cli.working import in_workspace

    answer = Answer(as_json=as_json)
    books = in_workspace(lambda ws: reconcile_all(ws, rescan))
    answer.document(books.document())
    for one in books.assets:
        words = "clean" if one.clean else f"{len(one.differences)} differences"
        answer.heading(f"{one.asset.symbol}: {words}, through block {one.through_block}")
        answer.line(f"  ledger {one.ledger_atomic}")
        answer.line(f"  chain  {one.chain_atomic}")
        answer.line(f"  the wallet's balance against its transfers: {one.balance}")
        if one.booked_late:
            answer.line(f"  booked late: {', '.join(one.booked_late)}", style="yellow")
        for transfer in one.foreign:
            answer.line(f"  not tollbook's: {transfer.value} to {transfer.pay_to} in {transfer.tx_hash}")
    for difference in books.differences:
        answer.line(
            f"  {difference.kind}: {difference.purchase_id or difference.tx_hash}: {difference.detail}", style="red"
        )
    return books.exit_code
