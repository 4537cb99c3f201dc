"""`tollbook recover` and `tollbook reconcile`: finish or free open purchases; compare ledger, chain and bodies."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def recover(as_json: options.Json = False) -> int:
    """Claim what is paid, free what is proven void, load and publish. Buys nothing new."""
    from tasks.ops.recovery import recover_all
    from tollbook.cli.tables.purchases import show_lost, show_purchases
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)
    done = in_workspace(recover_all, waits=True, says="looking for open purchases on the chain")
    output.document(done.document())
    output.heading("Recovered")
    for words, count in done.counts().items():
        output.line(f"  {words:<12}{count}")
    for note in done.notes:
        output.line(f"  note        {note}", style="yellow")
    show_purchases(output, "Still in doubt: run `tollbook recover` again later", [p for p, _ in done.in_doubt])
    show_lost(output, done.undelivered, done.failed)
    return done.exit_code


Rescan = Annotated[bool, typer.Option("--rescan", help="Also read blocks again that an earlier reconciliation closed.")]


ListForeign = Annotated[
    bool, typer.Option("--list-foreign", help="List every transfer of the wallet that is not this ledger's.")
]


def reconcile(rescan: Rescan = False, list_foreign: ListForeign = False, as_json: options.Json = False) -> int:
    """Compare the ledger with its events, with the chain to the last atomic unit, and every body with its hash."""
    from payer.values.money import Amount
    from tasks.ops.reconcile import reconcile_all
    from tollbook.cli.terminal.progress import Blocks
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)
    books = in_workspace(
        lambda ws: reconcile_all(ws, rescan, Blocks(), list_foreign=list_foreign), says="reading the chain"
    )
    output.document(books.document())
    for one in books.assets:
        words = "clean" if one.clean else f"{len(one.differences)} differences"
        output.heading(f"{one.asset.symbol}: {words}, through block {one.through_block}")
        output.line(f"  ledger {Amount(one.ledger_atomic, one.asset)}")
        output.line(f"  chain  {Amount(one.chain_atomic, one.asset)}")
        output.line(f"  the wallet's balance against its transfers: {one.balance}")
        if one.booked_late:
            output.line(f"  booked late: {', '.join(one.booked_late)}", style="yellow")
        foreign = books.foreign(one)
        if foreign.line:
            output.line(f"  {foreign.line}" + ("" if list_foreign else "; --list-foreign lists them"))
        for entry in foreign.document(listed=list_foreign)["listed"]:
            whose = "rows of " + entry["purchase_id"] if entry["purchase_id"] else "not this ledger's"
            output.line(f"  {whose}: {Amount(entry['value_atomic'], one.asset)} to {entry['to']} in {entry['tx_hash']}")
    if books.losses:
        output.line(f"  {books.loss_text}", style="red", hang=4)
    if books.in_doubt:
        output.line(f"  {books.doubt_text}", style="yellow", hang=4)
    for difference in books.differences:
        output.line(f"  {difference}", style="red", hang=4)
    for lost in books.losses:
        output.line(
            f"  lost: {lost.purchase_id} ({lost.order.dataset}): {Amount(lost.loss, lost.asset)}, {lost.lost_for}"
        )
    return books.exit_code
