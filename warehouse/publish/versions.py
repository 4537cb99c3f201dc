"""The inodes behind published/warehouse.duckdb, and the dance that swaps them.

Analysts open the public name; the file behind it is never written again while anybody may still read it. Those that
were public before stand by under private names, the eldest of them first in line: once nobody reads it any more it
gets what it missed, and becomes public by one rename. A reader holds its old inode as long as it likes; a new one sees
a whole file at every instant (I7). What was public last is never the one that is written next, so that a plain copy,
which takes no lock, has the time of a whole publication to finish even where its open file can't be seen.

Never open one of these files except through DuckDB while it may be open here: closing any other descriptor drops this
process's POSIX locks on it, and with them the only sign that somebody reads it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from warehouse.load.children import environment
from warehouse.publish.open_files import Held, held, inodes

LOCK = ".publish.lock"
"""Beside the published files: who writes any of them holds it, in turn."""

_MOST_RETIRED = 4
"""Older versions that keep a name. Beyond it the eldest lose theirs; their disk is free when their last reader goes."""

_SPARE = 1
"""Older versions that are kept for being written next though nobody reads them."""

_COPY = """
import os, shutil, sys
shutil.copyfile(sys.argv[1], sys.argv[2])
os.fsync(os.open(sys.argv[2], os.O_RDWR))
"""


class Standby:
    """The files of one published folder. Callers hold the publication's lock."""

    def __init__(self, published: Path) -> None:
        self.public = published / "warehouse.duckdb"
        self._private = published / ".private"
        self.path = self._private / "standby.duckdb"
        self.saying = self._private / "shown.tmp.duckdb"
        self._previous = self._private / "previous.duckdb"
        self._private.mkdir(parents=True, exist_ok=True)

    @property
    def shown(self) -> Path:
        """A small file that says what the public one shows; there is none of one that was touched since.

        Opening the public file to ask it would drop the lock of a session that this process has on it.
        """
        return self._said_of(self.public)

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
        current = self.shown if self.public.exists() else None
        for said in self._private.glob("shown-*"):
            if said != current:
                said.unlink()
        self._drop_unread()

    def choose(self) -> None:
        """Have under `path` the version to bring up to date: the eldest that nobody reads, else a copy."""
        elder = next(iter(self._unread()), None)
        self._park()
        if elder is not None:
            os.replace(elder, self.path)
        elif self.public.exists():
            self.copy_public()
        self._trim()

    def older(self) -> list[Path]:
        """Every version that may be written next."""
        return [path for path in (self.path, *self._retired()) if path.exists()]

    def discard(self, version: Path | None = None) -> None:
        """Forget the standby file, or another older version, and what was logged beside it."""
        path = version or self.path
        for name in (path, _wal(path)):
            name.unlink(missing_ok=True)

    def is_read(self) -> bool:
        """Whether somebody, this process included, still has the standby file open."""
        return self.path.exists() and _is_read(self.path, inodes())

    def retire(self) -> None:
        """Put the standby behind the others in line."""
        self._park()
        self._trim()

    def forget(self) -> None:
        """No older version is to be built upon: none keeps a name. Who reads one keeps its disk until they close it."""
        self.discard()
        for path in self._retired():
            path.unlink()

    def copy_public(self) -> None:
        """A new standby from the public file's bytes, copied by a child so that no lock of ours is dropped."""
        fresh = self.path.with_suffix(".tmp")
        command = [sys.executable, "-I", "-S", "-c", _COPY, str(self.public), str(fresh)]
        done = subprocess.run(command, env=environment(), stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            fresh.unlink(missing_ok=True)
            raise OSError(f"{self.public} could not be copied: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
        os.replace(fresh, self.path)

    def swap(self) -> None:
        """The standby becomes public and the public file the standby. Killed anywhere, `settle` mends the rest.

        DuckDB has synced what it wrote; only the names are left to be made durable.
        """
        if _wal(self.path).exists():
            raise RuntimeError("the standby file was not checkpointed")
        if self.saying.exists():
            os.replace(self.saying, self._said_of(self.path))
        if self.public.exists():
            os.link(self.public, self._previous)
        crash_point("publish.linked")
        os.replace(self.path, self.public)
        fsync_path(self.public.parent)
        if self._previous.exists():
            os.replace(self._previous, self.path)

    def held(self) -> Held:
        """What old versions that are read cost on disk now."""
        return held(self.public.parent)

    def _said_of(self, path: Path) -> Path:
        found = path.stat()
        return self._private / f"shown-{found.st_ino}-{found.st_size}-{found.st_mtime_ns}.duckdb"

    def _retired(self) -> list[Path]:
        return sorted(self._private.glob("retired-*.duckdb"), key=_number)

    def _park(self) -> None:
        if _wal(self.path).exists():
            self.discard()
        elif self.path.exists():
            number = 1 + max((_number(path) for path in self._retired()), default=0)
            os.replace(self.path, self._private / f"retired-{number}.duckdb")

    def _trim(self) -> None:
        for surplus in self._retired()[:-_MOST_RETIRED]:
            surplus.unlink()

    def _unread(self) -> list[Path]:
        opened = inodes()
        return [path for path in self._retired() if not _is_read(path, opened)]

    def _drop_unread(self) -> None:
        unread = self._unread() if len(self._retired()) > _SPARE else []
        for path in unread[: max(0, len(unread) - _SPARE)]:
            path.unlink()


def _number(path: Path) -> int:
    return int(path.stem.split("-")[1])


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and os.path.samefile(one, other)


def _is_read(path: Path, opened: set[tuple[int, int]]) -> bool:
    """The system tells who has it open, a copying program too; where it can't, DuckDB's own lock tells of sessions."""
    import duckdb

    found = path.stat()
    if (found.st_dev, found.st_ino) in opened:
        return True
    try:
        duckdb.connect(str(path)).close()
    except duckdb.Error as error:
        return "lock on file" in str(error)
    return False
