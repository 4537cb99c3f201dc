"""The two inodes behind published/warehouse.duckdb, and the dance that swaps them.

Analysts open the public name; the file behind it is never written again. The one that was public before stands by under
a private name. Once nobody reads it any more it gets what it missed, and becomes public by one rename. A reader holds
its old inode as long as it likes; a new one sees a whole file at every instant (I7).

Never open one of these files except through DuckDB while it may be open here: closing any other descriptor drops this
process's POSIX locks on it, and with them the only sign that somebody reads it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tollbook.crashpoints import crash_point

_MOST_RETIRED = 3


@dataclass(frozen=True, slots=True)
class Held:
    """Disk held by old versions that sessions still read."""

    files: int
    bytes: int


class Standby:
    """The files of one published folder. Callers hold the publication's lock."""

    def __init__(self, published: Path) -> None:
        self.public = published / "warehouse.duckdb"
        self._private = published / ".private"
        self.path = self._private / "standby.duckdb"
        self._previous = self._private / "previous.duckdb"
        self._private.mkdir(parents=True, exist_ok=True)

    def settle(self) -> None:
        """Bring what a killed publication left into order. Whatever was public stays public."""
        if self._previous.exists():
            if _same(self._previous, self.public):
                self._previous.unlink()
            else:
                os.replace(self._previous, self.path)
        if _same(self.path, self.public):
            self.path.unlink()
        for stale in self._private.glob("*.tmp*"):
            stale.unlink()
        self._drop_unread()

    def discard(self) -> None:
        """Forget the standby file, and what was logged beside it."""
        for path in (self.path, _wal(self.path)):
            path.unlink(missing_ok=True)

    def is_read(self) -> bool:
        """Whether somebody, this process included, still has the standby file open."""
        return self.path.exists() and _is_read(self.path)

    def retire(self) -> None:
        """The standby is still read: keep its name so that its disk can be counted, a few of them at most."""
        if _wal(self.path).exists():
            self.discard()
            return
        number = 1 + max((int(p.stem.split("-")[1]) for p in self._retired()), default=0)
        os.replace(self.path, self._private / f"retired-{number}.duckdb")
        for surplus in self._retired()[:-_MOST_RETIRED]:
            surplus.unlink()

    def copy_public(self) -> None:
        """A new standby from the public file's bytes, copied by a child so that no lock of ours is dropped."""
        fresh = self.path.with_suffix(".tmp")
        code = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"
        subprocess.run([sys.executable, "-I", "-S", "-c", code, str(self.public), str(fresh)], check=True)
        os.replace(fresh, self.path)

    def swap(self) -> None:
        """The standby becomes public and the public file the standby. Killed anywhere, `settle` mends the rest."""
        if _wal(self.path).exists():
            raise RuntimeError("the standby file was not checkpointed")
        _sync(self.path)
        if self.public.exists():
            os.link(self.public, self._previous)
        crash_point("publish.linked")
        os.replace(self.path, self.public)
        _sync(self.public.parent)
        if self._previous.exists():
            os.replace(self._previous, self.path)

    def held(self) -> Held:
        """What old versions cost on disk now."""
        sizes = [path.stat().st_size for path in self._retired()]
        return Held(len(sizes), sum(sizes))

    def _retired(self) -> list[Path]:
        return sorted(self._private.glob("retired-*.duckdb"), key=lambda path: int(path.stem.split("-")[1]))

    def _drop_unread(self) -> None:
        for path in self._retired():
            if not _is_read(path):
                path.unlink()


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and os.path.samefile(one, other)


def _is_read(path: Path) -> bool:
    """DuckDB's own lock tells of other processes; of this one only its open descriptors do."""
    import duckdb

    if _open_here(path):
        return True
    try:
        duckdb.connect(str(path)).close()
    except duckdb.Error as error:
        return "lock on file" in str(error)
    return False


def _open_here(path: Path) -> bool:
    wanted = path.stat()
    for descriptor in _descriptors():
        with contextlib.suppress(OSError):
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def _descriptors() -> Iterator[int]:
    for name in os.listdir("/dev/fd"):
        yield int(name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
