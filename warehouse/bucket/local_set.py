"""The local publication as it is sent: one consistent set of warehouse.duckdb, manifest and Parquet files.

warehouse.duckdb is read by a child process, as its copies are: closing a second handle on it here would drop this
process's locks (warehouse/publish/versions.py). While the child has the file open, no publication writes to it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from payer.values.crashpoints import crash_point
from tollbook_bucket.documents import HEADER_BYTES, SEGMENT_BYTES
from warehouse.cache.instance import in_memory
from warehouse.cache.locking import file_lock
from warehouse.load.parallel import child_environment
from warehouse.publish import stamp
from warehouse.publish.versions import Standby
from warehouse.snapshots.layout import PUBLISH_LOCK
from warehouse.snapshots.manifest import SnapshotFile, manifest_path, read_manifest

_READ = """
import os, shutil, sys
with open(sys.argv[1], "rb") as file:
    before = os.fstat(file.fileno())
    sys.stdout.buffer.write(b"%d %d\\n" % (before.st_size, before.st_mtime_ns))
    sys.stdout.buffer.flush()
    shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
    after = os.fstat(file.fileno())
    sys.exit(before.st_mtime_ns != after.st_mtime_ns)
"""


class LocalSetChanged(Exception):
    """Raised when the local publication was replaced or altered while it was read: read it again."""


@dataclass(frozen=True, slots=True)
class LocalSet:
    """One local publication. `identity` is its file's size and time of change; seq and mark are of its stamp."""

    identity: tuple[int, int]
    manifest: bytes
    files: tuple[SnapshotFile, ...]
    root: Path
    ledger_seq: int
    ledger_mark: str | None
    _stream: IO[bytes]
    _reader: subprocess.Popen[bytes]

    def segments(self) -> Iterator[bytes]:
        """Yield warehouse.duckdb in its segments, once. Raises LocalSetChanged."""
        left, size = self.identity[0], HEADER_BYTES
        while left:
            segment = self._stream.read(min(size, left))
            if not segment:
                break
            left, size = left - len(segment), SEGMENT_BYTES
            yield segment
        if left or self._stream.read(1) or self._reader.wait():
            raise LocalSetChanged("warehouse.duckdb")


def identity_of(published: Path) -> tuple[int, int] | None:
    """Size and time of change of the public file; None before the first publication."""
    try:
        status = (published / "warehouse.duckdb").stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


@contextmanager
def open_local_set(published: Path) -> Iterator[LocalSet | None]:
    """Take hold of the local publication; None before the first one. Publications go on meanwhile."""
    root = published / "snapshots"
    with file_lock(published / PUBLISH_LOCK):
        if identity_of(published) is None:
            yielded: LocalSet | None = None
        else:
            yielded = _open(published, root)
    crash_point("bucket.opened")
    try:
        yield yielded
    finally:
        if yielded is not None:
            yielded._reader.kill()
            yielded._reader.wait()
            yielded._stream.close()


def _open(published: Path, root: Path) -> LocalSet:
    seq, mark = _ledger_of(Standby(published))
    command = [sys.executable, "-I", "-S", "-c", _READ, str(published / "warehouse.duckdb")]
    reader = subprocess.Popen(
        command, env=child_environment(), stdout=subprocess.PIPE, bufsize=SEGMENT_BYTES, pipesize=SEGMENT_BYTES
    )
    assert reader.stdout is not None, "it is a pipe"
    words = reader.stdout.readline().split()
    if len(words) != 2:
        reader.wait()
        reader.stdout.close()
        raise LocalSetChanged("warehouse.duckdb can't be read")
    size, changed_at = map(int, words)
    manifest = manifest_path(root).read_bytes() if manifest_path(root).exists() else b"{}"
    files = read_manifest(root).files
    return LocalSet((size, changed_at), manifest, files, root, seq, mark, reader.stdout, reader)


def _ledger_of(standby: Standby) -> tuple[int, str | None]:
    """The ledger's place that the public file shows, by the stamp beside it."""
    with in_memory() as con:
        shown = stamp.read_file(con, standby.public_stamp)
    return (shown.ledger_seq, shown.ledger_mark) if shown is not None else (0, None)
