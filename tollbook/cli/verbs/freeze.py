"""`tollbook freeze` and `tollbook unfreeze`: stop signing at once, on every machine of the ledger, and go on."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

Seller = Annotated[
    str | None, typer.Argument(metavar="SELLER", help="A seller of the policy file; without one, every seller.")
]


def freeze(
    seller: Seller = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; shown wherever it stops a run.")] = "",
    as_json: options.Json = False,
) -> None:
    """Sign nothing new: every process on this ledger stops at its next signature, until `tollbook unfreeze`.

    Payments on their way are still finished: asked for, claimed, proved and booked.
    """
    from tasks.operator.freeze import freeze as freeze_seller
    from tasks.operator.freeze import freeze_document
    from tasks.workspace.workspace import Workspace

    output = Output(as_json=as_json)
    with Workspace.open() as ws:
        held = freeze_seller(ws, seller, reason)
        on_their_way = len(ws.ledger.open_purchases())
    output.document({"frozen": freeze_document(held), "open": on_their_way})
    output.line(f"{held.text}.")
    output.line("Nothing new is signed, by any process on this ledger.")
    if on_their_way:
        output.line(f"Still open and finished all the same: {on_their_way} (`tollbook recover`, `tollbook status`).")


def unfreeze(seller: Seller = None, as_json: options.Json = False) -> None:
    """Lift a freeze: that of one seller, or without a name the freeze of every seller."""
    from tasks.operator.freeze import freeze_document
    from tasks.operator.freeze import unfreeze as unfreeze_seller
    from tasks.workspace.workspace import Workspace

    output = Output(as_json=as_json)
    with Workspace.open() as ws:
        lifted, rest = unfreeze_seller(ws, seller)
    output.document({"lifted": freeze_document(lifted), "frozen": [freeze_document(each) for each in rest]})
    output.line(f"Lifted: {lifted.text}.")
    for each in rest:
        output.line(f"Still: {each.text}.", style="yellow")
