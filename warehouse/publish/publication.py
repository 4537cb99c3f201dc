"""Options of a publication, and its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from warehouse.publish.open_files import OldVersions


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """`rebuild` writes a new file from the cache instead of updating an older version; `thorough` reads everything
    published to find what is damaged; `take_over` continues what another home's cache of this ledger published."""

    rebuild: bool = False
    thorough: bool = False
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class RemotePublication:
    """One sending to `url`. `version` is the newest there, None where nothing was sent; `objects` and `bytes` are new.

    `problem` and `advice` say why something is not there; `exit_code` is that of sending by hand, a run's is not
    changed by it. `note` is about what else went wrong, such as a deletion.
    """

    url: str
    version: str | None = None
    unchanged: bool = False
    objects: int = 0
    bytes: int = 0
    expired: int = 0
    note: str | None = None
    problem: str | None = None
    advice: str | None = None
    exit_code: int = 0

    @property
    def text(self) -> str:
        """One line for people."""
        if self.problem is not None:
            return f"not sent to object storage: {self.problem}; {self.advice}"
        if self.version is None:
            return f"nothing is published here yet that could be sent to {self.url}"
        if self.unchanged:
            return f"{self.url} has all of it already"
        return f"{self.url}: {self.objects} new objects, {self.bytes / 1e6:,.1f} MB"

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for a run: trouble only."""
        if self.problem is not None:
            return (f"{self.text}. Payments and local files are not affected, the next publication sends it",)
        return (self.note,) if self.note else ()

    def document(self) -> dict[str, Any]:
        fields = asdict(self)
        del fields["exit_code"]
        return {**fields, "ok": self.problem is None}


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
    remote: RemotePublication | None = None

    @property
    def text(self) -> str:
        """One sentence for people."""
        if not self.changed:
            return "nothing new to publish"
        return f"published {self.deliveries} new deliveries, {self.snapshot_files} new snapshot files"

    def sent(self, remote: RemotePublication | None) -> Publication:
        """This publication and its sending to object storage; trouble there becomes a note."""
        if remote is None:
            return self
        return replace(self, remote=remote, note="; ".join(filter(None, (self.note, *remote.notes))) or None)

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
