"""The flows, tables, datasets and keys that a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.reference.catalogue import resolve_keys
from tasks.request.model import Keys
from tasks.request.names import all_names, check_named, datasets_of
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
            check_named(datasets_of(self.flows), one_list(self.tokens), self.keys or ())

    async def resolve(self, ws: Workspace) -> tuple[list[str], Keys, list[str]]:
        """The names in order, the keys, and notes on the datasets that --all leaves out."""
        keys = await resolve_keys(ws, one_list(self.tokens), self.keys or (), top=self.top)
        if not self.everything:
            return list(dict.fromkeys(self.flows or ())), keys, []
        names, left = await ws.in_thread(all_names, ws)
        where = "`watch` in the policy file names keys"
        notes = [f"left out, sold by keys that nobody named ({where}): {', '.join(left)}"] if left else []
        return names, keys, notes


def one_list(tokens: Sequence[str] | None) -> str | None:
    """Join every --tokens of a command line to one comma list; None where none was given."""
    return ",".join(tokens) if tokens else None
