"""Fetch the newest publication from object storage into a local cache, and return its file.

The pointer is asked each time; a version is fetched once. Segments that an older copy has are taken from there. Every
segment is checked against its hash, and a copy gets its name when it is whole and on disk. Copies belong to the user,
under XDG_CACHE_HOME (default ~/.cache), one folder per address; the two newest are kept.
"""

from __future__ import annotations

import fcntl
import os
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tollbook_bucket.address import parse_address
from tollbook_bucket.documents import CURRENT, Content, Current, Version, digest_of, document_name
from tollbook_bucket.errors import NothingPublished, PublicationDamaged, StoreUnreachable
from tollbook_bucket.store import ReadableBucket, open_bucket

CONNECTIONS = 8
TRIES = 3
"""Times that a fetch begins again because its version expired meanwhile."""
COPIES = 2

_REPAIR = "run `tollbook publish --verify` on the publisher's machine"


class OldCopy(UserWarning):
    """Warns that the store can't be reached, and the newest copy that was fetched before is read instead."""


def fetch(text: str) -> Path:
    """Return the local copy of the newest publication at an address, fetched if need be.

    A store that can't be reached is a warning (OldCopy) where there is a copy. Raises BucketError otherwise.
    """
    address = parse_address(text)
    cache = Copies.of(address.url)
    with cache.locked():
        try:
            return fetch_newest(open_bucket(address), cache)
        except StoreUnreachable as error:
            newest = cache.newest()
            if newest is None:
                raise
            warnings.warn(f"{error}. Read instead: {newest.stem}, fetched before", OldCopy, stacklevel=4)
            return newest


def fetch_newest(bucket: ReadableBucket, cache: Copies) -> Path:
    """Return the copy of what the pointer names. Raises BucketError."""
    seen = None
    for _ in range(TRIES):
        current = _pointer(bucket)
        try:
            return _copy(bucket, cache, current)
        except PublicationDamaged:
            if seen == current.version:
                raise
            seen = current.version  # It may have been replaced and deleted while it was fetched.
    return _copy(bucket, cache, _pointer(bucket))


def _pointer(bucket: ReadableBucket) -> Current:
    stored = bucket.get(CURRENT)
    if stored is None:
        advice = "check the address, or set TOLLBOOK_PUBLISH to it where tollbook runs, and run `tollbook publish`"
        raise NothingPublished(f"nothing is published at {bucket.url}", advice)
    return Current.decode(stored.data, f"{bucket.url}/{CURRENT}")


def _copy(bucket: ReadableBucket, cache: Copies, current: Current) -> Path:
    present = cache.find(current.version)
    if present is not None:
        return present
    where = f"{bucket.url}/{document_name(current.version)}"
    stored = bucket.get(document_name(current.version))
    if stored is None:
        raise PublicationDamaged(f"{where} is gone", _REPAIR)
    if digest_of(stored.data) != current.sha256:
        raise PublicationDamaged(f"{where} is not what the pointer names", _REPAIR)
    version = Version.decode(stored.data, where)
    with cache.draft() as draft:
        _assemble(bucket, cache, version, draft)
        return cache.keep(draft, current.version, stored.data)


def _assemble(bucket: ReadableBucket, cache: Copies, version: Version, draft: BinaryIO) -> None:
    """Write the file from segments that older copies have, and from the store, several at once."""
    local = cache.segments()
    with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="bucket") as pool:
        for start in range(0, len(version.warehouse), 2 * CONNECTIONS):
            batch = version.warehouse[start : start + 2 * CONNECTIONS]
            for data in pool.map(lambda segment: _segment(bucket, local, segment), batch):
                draft.write(data)


def _segment(bucket: ReadableBucket, local: Mapping[str, tuple[Path, int]], segment: Content) -> bytes:
    if segment.sha256 in local:
        path, offset = local[segment.sha256]
        data = _read_at(path, offset, segment.bytes)
        if digest_of(data) == segment.sha256:
            return data
    stored = bucket.get(segment.name)
    if stored is None:
        raise PublicationDamaged(f"{bucket.url}/{segment.name} is gone", _REPAIR)
    if digest_of(stored.data) != segment.sha256:
        raise PublicationDamaged(f"{bucket.url}/{segment.name} is not what its name says", _REPAIR)
    return stored.data


def _read_at(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of one address: `<version>.duckdb`, its document `<version>.json`, and a mark that says how the file
    was when it was written, so that one that somebody has changed is fetched again."""

    folder: Path

    @classmethod
    def of(cls, url: str) -> Copies:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "tollbook" / digest_of(url.encode())[:16]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder: of several readers that start at once, one fetches."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def find(self, version: str) -> Path | None:
        """The copy of a version, if it is as it was written."""
        path = self.folder / f"{version}.duckdb"
        return path if path.exists() and self._mark(path).exists() else None

    def newest(self) -> Path | None:
        whole = (self.find(path.stem) for path in sorted(self.folder.glob("*.duckdb"), reverse=True))
        return next(filter(None, whole), None)

    def segments(self) -> dict[str, tuple[Path, int]]:
        """File and offset of each segment of the copies. The bytes there are compared before they are used."""
        places: dict[str, tuple[Path, int]] = {}
        for path in self.folder.glob("*.duckdb"):
            try:
                version = Version.decode(path.with_suffix(".json").read_bytes(), path.name)
            except (OSError, PublicationDamaged):
                continue
            offset = 0
            for segment in version.warehouse:
                places[segment.sha256] = (path, offset)
                offset += segment.bytes
        return places

    @contextmanager
    def draft(self) -> Iterator[BinaryIO]:
        path = self.folder / "fetching.tmp"
        try:
            with path.open("wb") as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def keep(self, draft: BinaryIO, version: str, document: bytes) -> Path:
        """Give a whole draft its name, and remove older copies. Sessions that read one keep it."""
        draft.flush()
        os.fsync(draft.fileno())
        os.chmod(draft.name, 0o444)
        path = self.folder / f"{version}.duckdb"
        path.with_suffix(".json").write_bytes(document)
        os.replace(draft.name, path)
        self._mark(path).touch()
        kept = {path.stem, *sorted((p.stem for p in self.folder.glob("*.duckdb")), reverse=True)[:COPIES]}
        for old in self.folder.iterdir():
            if old.name != "lock" and old.name.split(".")[0] not in kept:
                old.unlink(missing_ok=True)
        return path

    def _mark(self, path: Path) -> Path:
        status = path.stat()
        return path.with_name(f"{path.stem}.{status.st_size}-{status.st_mtime_ns}")
