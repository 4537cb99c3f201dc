"""`tollbook accept-loss`: book paid but useless purchases as lost, so that they may be bought again."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.output import Output


def accept_loss(
    purchases: Annotated[
        list[str] | None,
        typer.Argument(metavar="PURCHASE", help="Their ids, as `run` or `status` shows them.", show_default=False),
    ] = None,
    seller: Annotated[
        str | None, typer.Option("--seller", metavar="NAME", help="Every undelivered purchase of this seller.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every undelivered purchase.")] = False,
    as_json: options.Json = False,
) -> int:
    """Book purchases as lost, so that the next run may buy the same pieces again. Sends nothing.

    They were never delivered, or have a body that can't be used; such a body is kept. With --seller or --all, what
    can't be accepted yet is skipped and told.
    """
    from payer.values.errors import Unresolved
    from payer.values.money import Amount
    from tasks.ops.accept_loss import accept_losses, accept_undelivered
    from tasks.ops.status import purchase_document
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.errors import BadUsage

    output = Output(as_json=as_json)
    if sum((bool(purchases), seller is not None, everything)) != 1:
        advice = "give the ids of purchases, or --seller NAME, or --all; `tollbook status` lists what is undelivered"
        raise BadUsage("one of PURCHASE, --seller and --all is needed", advice=advice)
    with Workspace.open() as ws:
        done = accept_losses(ws, purchases) if purchases else accept_undelivered(ws, seller)
    documents = [purchase_document(lost) for lost in done.purchases]
    skipped = [{**purchase_document(purchase), "why": why} for purchase, why in done.skipped]
    first = documents[0] if documents else None
    output.document({"accepted": bool(documents), "purchase": first, "purchases": documents, "skipped": skipped})
    for lost in done.purchases:
        amount = f"{Amount(lost.spent, lost.asset)}"
        output.line(f"{lost.purchase_id} ({lost.order.dataset}): the loss of {amount} is accepted.")
    for _, why in done.skipped:
        output.line(f"skipped: {why}", style="yellow")
    nothing = "nothing is undelivered: nothing was accepted"
    output.line("The next run may buy each piece again, once." if documents else nothing)
    return Unresolved.exit_code if skipped else 0
