"""published/snapshots/_manifest.json: every Parquet file that counts, with its rows, hash, purchases and cost."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from payer.values.durable import fsync_path
from warehouse.errors import WarehouseError

MANIFEST, DAMAGED = "_manifest.json", "_manifest.damaged.json"

Month = tuple[str, str]
"""Dataset and month: one folder of snapshots."""


class Unreadable(WarehouseError):
    """Something published is damaged. A thorough publication makes it anew."""


class ManifestDamaged(Unreadable):
    """The manifest can't be read. The next publication makes it anew, with its files."""


@dataclass(frozen=True, slots=True)
class File:
    """One immutable file. `cost` is what its purchases came to, by asset; a purchase may have rows in several files."""

    dataset: str
    month: str
    name: str
    rows: int
    bytes: int
    sha256: str
    purchases: tuple[str, ...]
    cost: dict[str, str]
    written_at: str

    @property
    def of(self) -> Month:
        return self.dataset, self.month

    @property
    def folder(self) -> str:
        return f"dataset={self.dataset}/month={self.month}"

    @property
    def link(self) -> str:
        """Where a reader of folders finds it, relative to snapshots/."""
        return f"{self.folder}/{self.name}.parquet"

    @property
    def content(self) -> str:
        """Where its bytes are, relative to snapshots/."""
        return f".files/{self.sha256}.parquet"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files that count, and the contents kept only for readers of an older manifest, by when they were replaced.

    `build` and `rewinds` say which cache the files follow, and how often that had gone back by then.
    """

    files: tuple[File, ...] = ()
    retired: dict[str, str] = field(default_factory=dict)
    build: str | None = None
    rewinds: int = 0

    def purchases(self) -> set[str]:
        return {purchase for file in self.files for purchase in file.purchases}

    def months(self) -> dict[Month, list[File]]:
        """The files of each folder."""
        found: dict[Month, list[File]] = {}
        for file in self.files:
            found.setdefault(file.of, []).append(file)
        return found


def read_manifest(root: Path) -> Manifest:
    """The manifest as it stands; empty where there is none. Raises ManifestDamaged."""
    try:
        document = json.loads((root / MANIFEST).read_text("utf-8"))
        files = tuple(File(**{**entry, "purchases": tuple(entry["purchases"])}) for entry in document["files"])
        return Manifest(files, document["retired"], document.get("build"), document.get("rewinds", 0))
    except FileNotFoundError:
        return Manifest()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ManifestDamaged(f"{root / MANIFEST} can't be read: {error}") from error


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Replace it at once; a reader sees the old one or the new one. What it names is durable before it is."""
    fsync_path(root / ".files")
    document = {
        "version": 1,
        "files": [asdict(file) for file in manifest.files],
        "retired": manifest.retired,
        "build": manifest.build,
        "rewinds": manifest.rewinds,
    }
    fresh = root / f"{MANIFEST}.tmp"
    with fresh.open("w", encoding="utf-8") as out:
        json.dump(document, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, root / MANIFEST)
    fsync_path(root)
