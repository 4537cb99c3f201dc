"""`tollbook accept-price`: make a price that rose the base that price drift is measured from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

if TYPE_CHECKING:
    from tasks.operator.prices import PriceMove
    from tasks.workspace.workspace import Workspace


def accept_price(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A dataset, or a seller for all its datasets.")],
    yes: Annotated[bool, typer.Option("--yes", help="Accept without asking.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show the base price and the price that is asked now, and make that one the new base. Pays nothing.

    Bills are refused while a price is further above its base than price_drift allows.
    """
    from tasks.operator.prices import accept_prices, price_moves
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)

    async def work(ws: Workspace) -> list[PriceMove]:
        moves = await price_moves(ws, name)
        if moves:
            rows = [(move.dataset, move.old, move.new) for move in moves]
            output.table(("dataset", "base", "asked now"), rows, right=frozenset({1, 2}))
            if not yes:
                _ask(output)
            await accept_prices(ws, moves)
        return moves

    moves = in_workspace(work)
    output.document({"accepted": [move.document() for move in moves]})
    output.line(
        "Accepted: price drift is measured from these prices now." if moves else f"{name}: every price is at its base."
    )


def _ask(output: Output) -> None:
    from tollbook.cli.approval import Declined
    from tollbook.cli.errors import BadUsage

    if output.as_json or not sys.stdin.isatty():
        raise BadUsage("nobody is there to accept these prices", advice="say --yes to accept them")
    print("\nAccept? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Declined("not accepted: the bases are as they were")
