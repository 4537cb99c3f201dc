"""`tollbook watch`: show each call as it happens, of every process that uses the ledger."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from payer.values.errors import LedgerUnavailable, Misconfigured, PayerError
from tollbook.cli.terminal import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.calls.stream import CallStream
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.tables.calls import JsonLines, TerminalLines, TextLines

NEWEST = 10
"""Calls that are shown first where --since says nothing."""
EVERY_SECONDS = 1.0
"""Time between two looks at the ledger."""


def watch(
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="T",
            help="Begin with the calls since T: 30m, 6h, 1d, or a day or time in UTC. Else the last 10.",
        ),
    ] = None,
    flow: Annotated[
        list[str] | None, typer.Option("--flow", metavar="FLOW", help="Only this flow's calls. Repeat it for more.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for more calls, until Ctrl-C; or end with the newest.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line, one for each call.")] = False,
) -> int:
    """Show each call as it happens, over all processes of the ledger. Needs no key, no network, and locks nothing.

    A line is a call as it is now: who bought what, for how much, paid or cached, its state, and its transaction once
    the chain shows it. Ctrl-C ends it with exit code 0.
    """
    import json

    from tollbook.cli import errors

    try:
        _watch(since, flow or (), follow=follow, as_json=as_json)
    except KeyboardInterrupt:
        return 0
    except PayerError as error:
        if not as_json:
            raise
        print(json.dumps(errors.document(error)), flush=True)
        return error.exit_code
    return 0


def _watch(since: str | None, flows: Sequence[str], *, follow: bool, as_json: bool) -> None:
    from tasks.calls.stream import CallStream, parse_since
    from tasks.calls.subject import KeyNames
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.tables.calls import lines_for

    with Workspace.open() as ws:
        with suppress(Misconfigured):  # sellers of files are known by the policy; without it their keys aren't shown
            _ = ws.policy
        begin = None if since is None else parse_since(since, ws.clock.now())
        stream, lines = CallStream(ws.ledger.changes, flows), lines_for(as_json=as_json, name=KeyNames(ws.home))
        _warn_of_unknown(ws, flows)
        calls = stream.newest(NEWEST) if begin is None else stream.since(begin)
        lines.show(calls)
        if not calls and not as_json:
            print(f"no call yet{'; Ctrl-C ends the wait' if follow else ''}", file=sys.stderr)
        if follow:
            _follow(stream, lines)


def _warn_of_unknown(ws: Workspace, flows: Sequence[str]) -> None:
    """Name flows that never ran: a misspelt one would be waited for in silence."""
    known = ws.ledger.changes.flows()
    for name in flows:
        if name not in known:
            print(f"no flow {name!r} has run yet; those that have: {', '.join(known) or 'none'}", file=sys.stderr)


def _follow(stream: CallStream, lines: JsonLines | TextLines | TerminalLines) -> None:
    """Show what changes, until nobody reads it. A database that is away for a while is waited for."""
    away = False
    while not output.reader_left(sys.stdout, EVERY_SECONDS):
        try:
            calls = stream.look()
        except LedgerUnavailable as error:
            if type(error) is not LedgerUnavailable:
                raise
            if not away:
                print(f"{error.what}; waiting for it", file=sys.stderr, flush=True)
            away = True
            continue
        away = False
        lines.show(calls)
