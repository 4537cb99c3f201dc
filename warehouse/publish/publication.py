"""What a publication is asked to do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from warehouse.publish.open_files import OldVersions


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """`rebuild` writes a new file from the cache instead of updating an older version; `thorough` reads everything
    published to find what is damaged."""

    rebuild: bool = False
    thorough: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication did. `changed` False: there was nothing new, and the file stays as it was.

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
