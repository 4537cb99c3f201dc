"""The objects at an address, and the two documents that name the rest.

current.json            the pointer: the newest version; of what readers go by the only object that is ever replaced
versions/<name>.json    one publication: the segments of its warehouse.duckdb, its Parquet files, older versions kept
report/index.html       the report as a page, for browsers: replaced by each run of the `costs` flow
content/<sha256>        bytes under their hash: a segment of warehouse.duckdb, a Parquet file, or the manifest of these

A reader goes from the pointer to the version to its contents by name, and never lists anything.

warehouse.duckdb is cut where DuckDB's blocks begin: its header, then segments of four blocks (256 KiB each). A
publication changes few blocks, so few segments are new.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from tollbook_bucket.errors import NewerLayout, PublicationDamaged

LAYOUT = 1
CURRENT = "current.json"
REPORT = "report/index.html"
HEADER_BYTES = 3 * 4096
SEGMENT_BYTES = 4 * 262_144


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes under the hash that names them."""

    sha256: str
    bytes: int

    @property
    def name(self) -> str:
        return content_name(self.sha256)


@dataclass(frozen=True, slots=True)
class Replaced:
    """An older version that is kept, and when it was replaced (ISO 8601, UTC)."""

    version: str
    replaced_at: str


@dataclass(frozen=True, slots=True)
class Version:
    """One publication. `warehouse` are the segments of the file in order; `manifest` is published/snapshots.json,
    `files` the Parquet files that it names. `kept` are older versions that may be read, `expired` those to
    delete."""

    sequence: int
    published_at: str
    warehouse: tuple[Content, ...]
    manifest: Content
    files: tuple[Content, ...]
    kept: tuple[Replaced, ...] = ()
    expired: tuple[str, ...] = ()

    @property
    def warehouse_bytes(self) -> int:
        return sum(segment.bytes for segment in self.warehouse)

    def contents(self) -> dict[str, Content]:
        """Everything that a reader of this version may ask for, by hash."""
        return {content.sha256: content for content in (*self.warehouse, self.manifest, *self.files)}

    def encode(self) -> bytes:
        return _encode(
            asdict(replace(self, warehouse=(), files=()))
            | {
                "warehouse": [[segment.sha256, segment.bytes] for segment in self.warehouse],
                "files": [[file.sha256, file.bytes] for file in self.files],
            }
        )

    @classmethod
    def decode(cls, data: bytes, where: str) -> Version:
        """Read a version's document. Raises NewerLayout, PublicationDamaged."""
        fields = _decode(data, where)
        try:
            return cls(
                sequence=int(fields["sequence"]),
                published_at=str(fields["published_at"]),
                warehouse=tuple(Content(*segment) for segment in fields["warehouse"]),
                manifest=Content(**fields["manifest"]),
                files=tuple(Content(*file) for file in fields["files"]),
                kept=tuple(Replaced(**each) for each in fields["kept"]),
                expired=tuple(fields["expired"]),
            )
        except (LookupError, TypeError, ValueError):
            raise _damaged(where) from None


@dataclass(frozen=True, slots=True)
class Publisher:
    """The home that publishes: its own id, and the machine's name for messages."""

    home: str
    host: str


@dataclass(frozen=True, slots=True)
class Current:
    """The pointer. `ledger_mark` is what the ledger has at `ledger_seq`, and no other ledger has."""

    version: str
    sha256: str
    sequence: int
    published_at: str
    publisher: Publisher
    ledger_seq: int
    ledger_mark: str | None

    def encode(self) -> bytes:
        return _encode(asdict(self))

    @classmethod
    def decode(cls, data: bytes, where: str) -> Current:
        """Read the pointer. Raises NewerLayout, PublicationDamaged."""
        fields = _decode(data, where)
        try:
            return cls(**{**fields, "publisher": Publisher(**fields["publisher"])})
        except (LookupError, TypeError, ValueError):
            raise _damaged(where) from None


def version_of(sequence: int, document: bytes) -> str:
    """The name of a version: its number and its document's hash."""
    return f"{sequence:08d}-{digest_of(document)[:16]}"


def document_name(version: str) -> str:
    return f"versions/{version}.json"


def content_name(sha256: str) -> str:
    return f"content/{sha256}"


def digest_of(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _encode(fields: dict[str, Any]) -> bytes:
    return json.dumps({"layout": LAYOUT, **fields}, separators=(",", ":")).encode()


def _decode(data: bytes, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(data)
        layout = int(fields.pop("layout"))
    except (LookupError, TypeError, ValueError, AttributeError):
        raise _damaged(where) from None
    if layout > LAYOUT:
        raise NewerLayout(
            f"{where} was published by a newer tollbook", "upgrade tollbook here: `pip install -U tollbook`"
        )
    return dict(fields)


def _damaged(where: str) -> PublicationDamaged:
    return PublicationDamaged(
        f"{where} is no document of tollbook", "if nothing else writes there, delete it and run `tollbook publish`"
    )
