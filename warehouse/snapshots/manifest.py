"""Read and write published/snapshots.json, the manifest: every snapshot file that counts, with rows, hash and cost.

Manifest and contents stand beside published/snapshots, so that whoever reads everything below that folder, whatever the
tool, finds each row once and nothing that is no data.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from payer.values.durable import fsync_path
from warehouse.errors import WarehouseError

FILES = "../.files"
"""The folder of contents, relative to snapshots/."""

Partition = tuple[str, str]
"""Dataset and month (2026-11): one folder of snapshots."""


class SnapshotsDamaged(WarehouseError):
    """A published snapshot is damaged. A thorough publication rebuilds it."""


class ManifestDamaged(SnapshotsDamaged):
    """The manifest can't be read. The next publication rebuilds it together with its files."""


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One immutable Parquet file. `cost` is its purchases' amount by asset; a purchase may be in several files."""

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
    def partition(self) -> Partition:
        return self.dataset, self.month

    @property
    def folder(self) -> str:
        return f"dataset={self.dataset}/month={self.month}"

    @property
    def link(self) -> str:
        """The path in its partition's folder, relative to snapshots/."""
        return f"{self.folder}/{self.name}.parquet"

    @property
    def content(self) -> str:
        """The path of its bytes, relative to snapshots/. No name there ends as a data file's does."""
        return f"{FILES}/{self.sha256}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files that count, and the contents kept only for readers of an older manifest, with the time of replacement.

    `build` and `rewinds` are the version of the cache that the files were written from.
    """

    files: tuple[SnapshotFile, ...] = ()
    retired: dict[str, str] = field(default_factory=dict)
    build: str | None = None
    rewinds: int = 0

    def purchases(self) -> set[str]:
        return {purchase for file in self.files for purchase in file.purchases}

    def partitions(self) -> dict[Partition, list[SnapshotFile]]:
        grouped: dict[Partition, list[SnapshotFile]] = {}
        for file in self.files:
            grouped.setdefault(file.partition, []).append(file)
        return grouped


def manifest_path(root: Path) -> Path:
    return root.with_name("snapshots.json")


def damaged_path(root: Path) -> Path:
    return root.with_name("snapshots.damaged.json")


def contents(root: Path) -> Path:
    """The folder of the contents that the snapshots in `root` are links to."""
    return root.with_name(".files")


def read_manifest(root: Path) -> Manifest:
    """Read the manifest of the snapshots in `root`; an empty one where there is none. Raises ManifestDamaged."""
    try:
        document = json.loads(manifest_path(root).read_text("utf-8"))
        files = tuple(SnapshotFile(**{**entry, "purchases": tuple(entry["purchases"])}) for entry in document["files"])
        return Manifest(files, document["retired"], document.get("build"), document.get("rewinds", 0))
    except FileNotFoundError:
        return Manifest()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ManifestDamaged(f"{manifest_path(root)} can't be read: {error}") from error


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Replace the manifest atomically, once the files that it names are durable."""
    fsync_path(contents(root))
    document = {
        "version": 2,
        "files": [asdict(file) for file in manifest.files],
        "retired": manifest.retired,
        "build": manifest.build,
        "rewinds": manifest.rewinds,
    }
    replace_manifest(root, json.dumps(document, indent=1))


def replace_manifest(root: Path, text: str) -> None:
    """Replace the manifest's file in one step, durably."""
    path = manifest_path(root)
    draft = path.with_name(f"{path.name}.tmp")
    draft.write_text(text, "utf-8")
    fsync_path(draft)
    os.replace(draft, path)
    fsync_path(path.parent)
