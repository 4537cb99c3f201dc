"""The selection of a command line: flows, datasets, tokens, keys, and a range of days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.reference.catalogue import resolve_keys
from tasks.request.build import parse_range, request_range
from tasks.request.model import DataRequest
from tasks.request.names import all_names, check_named, datasets_of, with_history
from tasks.workspace.workspace import Workspace
from tollbook.cli.errors import BadUsage


@dataclass(frozen=True, slots=True)
class Selection:
    """The flows, tables and datasets that a command line names, or all of them; and which keys of them."""

    flows: Sequence[str] | None
    everything: bool = False
    tokens: Sequence[str] | None = None
    keys: Sequence[str] | None = None
    top: bool = False

    @property
    def token_list(self) -> str | None:
        """Every --tokens as one comma list; None where none was given."""
        return one_list(self.tokens)

    def check(self) -> None:
        """Raise BadUsage or BadRequest for names that are missing, unknown or at odds, before anything is opened."""
        if self.everything and self.flows:
            raise BadUsage("--all and names of flows were both given", advice="give one of them")
        if not self.everything and not self.flows:
            advice = "name one: grades, signals, moonshots, a table or a dataset; or --all"
            raise BadUsage("no flow is named", advice=advice)
        if self.everything and self.keys:
            advice = "name what they are for, or list each dataset's under `watch` in the policy file"
            raise BadUsage("--keys with --all could be of any dataset", advice=advice)
        if self.flows:
            check_named(datasets_of(self.flows), self.token_list, self.keys or ())

    def names(self, ws: Workspace) -> tuple[list[str], list[str]]:
        """The names in order, and notes on the datasets that --all leaves out."""
        if not self.everything:
            return list(dict.fromkeys(self.flows or ())), []
        names, left = all_names(ws)
        where = "`watch` in the policy file names keys"
        return names, [f"left out, sold by keys that nobody named ({where}): {', '.join(left)}"] if left else []


def one_list(tokens: Sequence[str] | None) -> str | None:
    """Join every --tokens of a command line to one comma list; None where none was given."""
    return ",".join(tokens) if tokens else None


async def range_request(
    ws: Workspace,
    names: Sequence[str],
    first: str | None,
    last: str | None,
    tokens: Sequence[str] | None,
    keys: Sequence[str] | None,
    *,
    top: bool = False,
    again: bool = False,
) -> DataRequest:
    """Build a backfill's request. Raises BadRequest before any seller is asked for terms."""
    start, end = parse_range(first, last)
    for name in names:
        with_history(name)
    listed = one_list(tokens)
    check_named(datasets_of(names), listed, keys or ())
    named = await resolve_keys(ws, listed, keys or (), top=top)
    return await ws.in_thread(request_range, ws, names, start, end, at=ws.clock.now(), keys=named, again=again)
