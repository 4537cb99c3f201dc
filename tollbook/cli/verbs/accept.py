"""`tollbook accept-loss` and `tollbook accept-price`: what an operator alone may decide.

Purchases that brought nothing are booked as lost, so that they may be bought again; a price that rose becomes the base
that price drift is measured from.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

if TYPE_CHECKING:
    from tasks.operator.prices import PriceMove
    from tasks.ops.accept_loss import Losses
    from tasks.workspace.workspace import Workspace


def accept_loss(
    purchases: Annotated[
        list[str] | None, typer.Argument(metavar="PURCHASE", help="Their ids, as `run` or `status` shows them.")
    ] = None,
    seller: Annotated[
        str | None, typer.Option("--seller", metavar="NAME", help="Every loss of this seller, undelivered or failed.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every loss, undelivered or failed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Accept what --seller or --all finds without asking.")] = False,
    as_json: options.Json = False,
) -> int:
    """Book purchases as lost, so that the next run may buy the same pieces again. Sends nothing.

    They were never delivered, or have a body that can't be used; such a body is kept. What was paid for them is shown
    first, and on a terminal --seller and --all ask. With these two, what can't be accepted yet is skipped and told.
    """
    from payer.values.errors import Unresolved
    from payer.values.money import Amount
    from tasks.ops.accept_loss import accept, losses_by_id, losses_of
    from tasks.ops.status import purchase_document
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.errors import BadUsage

    output = Output(as_json=as_json)
    if sum((bool(purchases), seller is not None, everything)) != 1:
        advice = "give the ids of purchases, or --seller NAME, or --all; `tollbook status` lists what is lost"
        raise BadUsage("one of PURCHASE, --seller and --all is needed", advice=advice)
    with Workspace.open() as ws:
        found = losses_by_id(ws, purchases) if purchases else losses_of(ws, seller)
        _show(output, found)
        # A script that names --seller or --all has decided.
        if found.purchases and not (purchases or yes or as_json) and sys.stdin.isatty():
            question = "Accept these losses? The next run may pay for each piece once more."
            _agree(question, "not accepted: nothing was booked")
        done = accept(ws, found)
    documents = [purchase_document(lost) for lost in done.purchases]
    skipped = [{**purchase_document(purchase), "why": why} for purchase, why in done.skipped]
    first = documents[0] if documents else None
    said = {"accepted": bool(documents), "lost": done.amounts, "purchase": first}
    output.document({**said, "purchases": documents, "skipped": skipped})
    for lost in done.purchases:
        amount = f"{Amount(lost.cost, lost.asset)}"
        output.line(f"{lost.purchase_id} ({lost.order.dataset}): the loss of {amount} is accepted.")
    for _, why in done.skipped:
        output.line(f"skipped: {why}", style="yellow")
    nothing = "nothing is lost that could be accepted now: nothing was accepted"
    output.line("The next run may buy each piece again, once." if documents else nothing)
    return Unresolved.exit_code if skipped else 0


def _show(output: Output, found: Losses) -> None:
    """Print what was paid for nothing, purchase by purchase, and its sum."""
    from payer.values.money import Amount

    if not found.purchases:
        return
    rows = []
    for p in found.purchases:
        why = p.lost_for or ("its nonce was cancelled" if p.burned else "failed delivery")
        rows.append((p.purchase_id, p.order.seller, p.order.dataset, why, f"{Amount(p.cost, p.asset)}"))
    total = " + ".join(f"{amount} {symbol}" for symbol, amount in found.amounts.items())
    foot = ("total", "", "", "", total)
    output.table(("purchase", "seller", "dataset", "lost", "paid"), rows, right=frozenset({4}), foot=foot)


def accept_price(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A dataset, or a seller for all its datasets.")],
    yes: Annotated[bool, typer.Option("--yes", help="Accept without asking.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show the base price and the price that is asked now, and make that one the new base. Pays nothing.

    Bills are refused while a price is further above its base than price_drift allows.
    """
    from tasks.operator.prices import accept_prices, price_moves
    from tollbook.cli.errors import BadUsage
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)

    async def work(ws: Workspace) -> list[PriceMove]:
        moves = await price_moves(ws, name)
        if moves:
            rows = [(move.dataset, move.old, move.new) for move in moves]
            output.table(("dataset", "base", "asked now"), rows, right=frozenset({1, 2}))
            if not yes and (as_json or not sys.stdin.isatty()):
                raise BadUsage("nobody is there to accept these prices", advice="say --yes to accept them")
            if not yes:
                _agree("Accept?", "not accepted: the bases are as they were")
            await accept_prices(ws, moves)
        return moves

    moves = in_workspace(work)
    output.document({"accepted": [move.document() for move in moves]})
    output.line(
        "Accepted: price drift is measured from these prices now." if moves else f"{name}: every price is at its base."
    )


def _agree(question: str, declined: str) -> None:
    """Ask at the terminal. Raises Declined."""
    from tollbook.cli.approval import Declined

    print(f"\n{question} [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Declined(declined)
