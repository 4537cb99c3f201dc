"""`tollbook accept-loss`: book a paid but useless purchase as lost, so that it may be bought again."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.output import Output


def accept_loss(
    purchase: Annotated[str, typer.Argument(metavar="PURCHASE", help="Its id, as `run` or `status` shows it.")],
    as_json: options.Json = False,
) -> None:
    """Book a purchase as lost, so that the next run may buy the same piece again. Sends nothing.

    It is one that was never delivered, or whose body can't be used; such a body is kept.
    """
    from payer.values.money import Amount
    from tasks.ops.accept_loss import accept_loss as accept
    from tasks.ops.status import purchase_document
    from tasks.workspace.workspace import Workspace

    output = Output(as_json=as_json)
    with Workspace.open() as ws:
        lost = accept(ws, purchase)
    output.document({"accepted": True, "purchase": purchase_document(lost)})
    amount = f"{Amount(lost.spent, lost.asset)}"
    output.line(f"{lost.purchase_id} ({lost.order.dataset}): the loss of {amount} is accepted.")
    output.line("The next run may buy this piece again, once.")
