"""`tollbook tokens`: find tokens in the seller's free catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

if TYPE_CHECKING:
    from tasks.workspace.workspace import Workspace
    from warehouse.cache.store import Token

SHOWN = 30
"""Rows for a terminal; --json has all."""


def tokens(
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="An id, or part of a symbol or name; all without it.")
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Find tokens by id, symbol or name, the largest first. The catalogue is free. Needs no key and no home."""
    from payer.values.errors import Misconfigured
    from tasks.reference.catalogue import catalogue, ranked
    from tasks.request.tokens import search
    from tasks.setup.look_up import free_lists
    from tollbook.cli.init.pages import TOKEN_COLUMNS, token_cells
    from tollbook.cli.workspace import in_workspace
    from tollbook.templates import template

    output = Output(as_json=as_json)

    async def work(ws: Workspace) -> tuple[list[Token], tuple[str, ...]]:
        known, notes = await catalogue(ws, today=True)
        ranks, more = await ranked(ws, known)
        return search(query or "", ranks), (*notes, *more)

    with free_lists(template("policy.toml")) as environ:
        found, notes = in_workspace(work, environ, says="reading the seller's free catalogue")
    for note in notes:
        output.warn(note)
    output.document({"query": query, "tokens": [_document(token) for token in found]})
    if not found:
        output.line(f"no token's id, symbol or name fits {query!r}")
        return Misconfigured.exit_code
    columns = TOKEN_COLUMNS[: None if any(token.market_cap is not None for token in found) else 4]
    rows = [token_cells(token)[: len(columns)] for token in found[:SHOWN]]
    output.table(columns, rows, right=frozenset({0, 3, 4}))
    if len(found) > SHOWN:
        output.line(f"  and {len(found) - SHOWN} more; a longer QUERY finds fewer, --json has all")
    return 0


def _document(token: Token) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "symbol": token.symbol,
        "name": token.name,
        "rank": token.rank,
        "market_cap_usd": token.market_cap,
    }
