"""Options of a publication, and its result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from warehouse.publish.open_files import OldVersions


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """`rebuild` writes a new file from the cache instead of updating an older version; `thorough` reads everything
    published to find what is damaged; `take_over` continues what another home's cache of this ledger published."""

    rebuild: bool = False
    thorough: bool = False
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """The result of one publication. `changed` False: there was nothing new, and the file stays as it was.

    `held` are old versions that sessions still read. `note` says what was damaged and rebuilt.
    """

    path: Path
    changed: bool
    seconds: float
    deliveries: int
    snapshot_files: int
    bytes: int
    held: OldVersions
    note: str | None = None

    @property
    def text(self) -> str:
        """One sentence for people."""
        if not self.changed:
            return "nothing new to publish"
        return f"published {self.deliveries} new deliveries, {self.snapshot_files} new snapshot files"

    def and_then(self, later: Publication) -> Publication:
        """The result of this publication and a later one together."""
        return replace(
            later,
            changed=self.changed or later.changed,
            seconds=self.seconds + later.seconds,
            deliveries=self.deliveries + later.deliveries,
            snapshot_files=self.snapshot_files + later.snapshot_files,
            note="; ".join(dict.fromkeys(filter(None, (self.note, later.note)))) or None,
        )
