"""The versions of published/warehouse.duckdb, and swapping the next one in.

Analysts open the public name; the file behind it is never written again while anybody may still read it. Versions that
were public before are kept under private names. The oldest one that nobody reads is updated and becomes public by one
rename. A reader keeps its inode as long as it likes; a new one sees a whole file at every instant (I7). The version
that was public last is never written next, so that a plain copy, which takes no lock, has the time of a whole
publication to finish even where its open file can't be seen.

The public file is read-only (0444). A user whom that doesn't stop, root or the owner, may still write to it; one who is
killed at it leaves `warehouse.duckdb.wal`, which DuckDB would replay onto the next version too. So each swap removes
that log, and a version that is no longer as it was when it became public is neither updated nor copied. Until the next
publication has something new, readers see such a version; `doctor` says so.

Never open one of these files except through DuckDB while it may be open here: closing any other descriptor drops this
process's POSIX locks on it, and with them the only sign that somebody reads it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from warehouse.cache.instance import in_memory
from warehouse.cache.sql import literal
from warehouse.load.parallel import child_environment
from warehouse.publish.open_files import OldVersions, held_versions, open_inodes

_MAX_RETIRED = 4
"""Older versions that keep a name. The oldest ones beyond it lose theirs; their disk is free once no reader is left."""

PUBLIC_MODE, _STANDBY_MODE = 0o444, 0o644

_SPARE = 1
"""Older versions that nobody reads and that are kept for being written next."""

_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"
"""Where there is no `cp`, which begins in a tenth of the time."""


Shown = tuple[int, int]
"""The last seq of the ledger that a version shows, and that of its avoided calls."""


def _copier() -> list[str]:
    command = shutil.which("cp")
    return [command] if command else [sys.executable, "-I", "-S", "-c", _COPY]


def foreign_log(published: Path) -> Path:
    """The log of somebody who opened the public file for writing. Nothing of ours ever writes there."""
    return _wal(published / "warehouse.duckdb")


class Standby:
    """The files of one published folder. `path` is the version that is written next. Callers hold PUBLISH_LOCK."""

    def __init__(self, published: Path) -> None:
        self.public = published / "warehouse.duckdb"
        self._private = published / ".private"
        self.path = self._private / "standby.duckdb"
        self.stamp_draft = self._private / "shown.tmp.duckdb"
        self._previous = self._private / "previous.duckdb"
        self._private.mkdir(parents=True, exist_ok=True)
        self.notes: list[str] = []
        """Changes by strangers that are gone."""
        self.begun: tuple[int, int] | None = None
        """Identity of the file at `path` in which this publication has made the tables of today."""

    @property
    def public_stamp(self) -> Path:
        """A small file with the stamp of the public one, named for its size and time of change.

        Opening the public file to read its stamp would drop the lock of a session that this process has on it.
        """
        return self._stamp_of(self.public)

    def is_altered(self) -> bool:
        """True when the public file is not as it was when it became public."""
        return self.public.exists() and not self.public_stamp.exists()

    def finish_swap(self) -> None:
        """Clean up after a publication that was killed, and after strangers. Whatever was public stays public."""
        if self._previous.exists():
            if _is_same(self._previous, self.public):
                self._previous.unlink()
            else:
                self._demote()
        foreign_log(self.public.parent).unlink(missing_ok=True)
        if _is_same(self.path, self.public):
            self.path.unlink()
        for draft in self._private.glob("*.tmp*"):
            draft.unlink()
        kept = {self._stamp_of(self.public)} if self.public.exists() else set()
        kept |= {self._mark_of(path) for path in self.older_versions()}
        for pattern in ("shown-*", "unaltered-*"):
            for path in self._private.glob(pattern):
                if path not in kept:
                    path.unlink()
        self._drop_unread()

    def prepare(self) -> None:
        """Put the version to update at `path`: the oldest that nobody reads, else a copy of the public one."""
        oldest = next(iter(self._unread()), None)
        self._retire_standby()
        if oldest is not None:
            os.replace(oldest, self.path)
        elif self.public.exists() and not self.is_altered():
            self.copy_public()
        for surplus in self._retired()[:-_MAX_RETIRED]:
            surplus.unlink()

    def older_versions(self) -> list[Path]:
        """Every version that may be written next."""
        return [path for path in (self.path, *self._retired()) if path.exists()]

    def discard(self, version: Path | None = None) -> None:
        """Remove the standby file, or another older version, with its log."""
        path = version or self.path
        for name in (path, _wal(path)):
            name.unlink(missing_ok=True)

    def drop_older_versions(self) -> None:
        """Remove the names of all older versions, so that none is updated. Disk is free once no reader is left."""
        self.discard()
        for path in self._retired():
            path.unlink()

    def copy_public(self) -> None:
        """Copy the public file to `path`, in a child process so that no lock of this one is dropped. Raises OSError."""
        # A name of its own: the child of a publisher that was killed may still write to its draft.
        draft = self.path.with_suffix(f".{secrets.token_hex(4)}.tmp")
        done = subprocess.run(
            [*_copier(), self.public, draft], env=child_environment(), stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            draft.unlink(missing_ok=True)
            raise OSError(f"{self.public} could not be copied: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
        draft.chmod(_STANDBY_MODE)
        fsync_path(draft)
        os.replace(draft, self.path)

    def swap(self, shown: Shown | None = None) -> None:
        """Make the standby public and the public file the standby. Killed anywhere, `finish_swap` does the rest.

        `shown` is what the public file shows so far. DuckDB has synced what it wrote; only the names are left to be
        made durable.
        """
        if _wal(self.path).exists():
            raise RuntimeError("the standby file was not checkpointed")
        if self.stamp_draft.exists():
            os.replace(self.stamp_draft, self._stamp_of(self.path))
        self.path.chmod(PUBLIC_MODE)
        if self.public.exists():
            os.link(self.public, self._previous)
        crash_point("publish.linked")
        os.replace(self.path, self.public)
        foreign_log(self.public.parent).unlink(missing_ok=True)
        fsync_path(self.public.parent)
        if self._previous.exists():
            self._demote(shown)

    def shown_before(self) -> list[Shown]:
        """List what the versions show that may be written next, as far as that was noted."""
        marks = [self._mark_of(path) for path in self.older_versions()]
        noted = [mark.read_text("ascii").split() for mark in marks if mark.exists()]
        return [(int(words[0]), int(words[1])) for words in noted if len(words) == 2]

    def _demote(self, shown: Shown | None = None) -> None:
        """Make what was public the standby, which may be written again; remove one that a stranger has written to."""
        if self._stamp_of(self._previous).exists():
            self._mark_of(self._previous).write_text(f"{shown[0]} {shown[1]}" if shown else "", "ascii")
            self._previous.chmod(_STANDBY_MODE)
            os.replace(self._previous, self.path)
        else:
            self._previous.unlink()
            self.notes.append("another program had changed the published file: rebuilt from the cache")

    def held(self) -> OldVersions:
        return held_versions(self.public.parent)

    def _stamp_of(self, path: Path) -> Path:
        status = path.stat()
        return self._private / f"shown-{status.st_size}-{status.st_mtime_ns}.duckdb"

    def _mark_of(self, path: Path) -> Path:
        """A file that says by its name how an older version was when it was replaced, and what it shows."""
        status = path.stat()
        return self._private / f"unaltered-{status.st_size}-{status.st_mtime_ns}"

    def _retired(self) -> list[Path]:
        """Older versions under a number, oldest first."""
        return sorted(self._private.glob("retired-*.duckdb"), key=_number)

    def _retire_standby(self) -> None:
        if _wal(self.path).exists():
            self.discard()
        elif self.path.exists():
            number = 1 + max((_number(path) for path in self._retired()), default=0)
            os.replace(self.path, self._private / f"retired-{number}.duckdb")

    def _unread(self) -> list[Path]:
        """Retired versions that no process has open; those among them that a stranger has written to are removed."""
        retired = self._retired()
        opened = open_inodes() if retired else set()
        unread = [path for path in retired if not _is_read(path, opened)]
        altered = [path for path in unread if not self._mark_of(path).exists()]
        for path in altered:
            path.unlink()
            self.notes.append("another program had changed an older version of the published file: rebuilt")
        return [path for path in unread if path not in altered]

    def _drop_unread(self) -> None:
        unread = self._unread() if len(self._retired()) > _SPARE else []
        for path in unread[: max(0, len(unread) - _SPARE)]:
            path.unlink()


def _number(path: Path) -> int:
    return int(path.stem.split("-")[1])


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and os.path.samefile(one, other)


def _is_read(path: Path, opened: set[tuple[int, int]]) -> bool:
    """True when a process has the file open, a copying program too. Where the system doesn't show open files, DuckDB's
    own lock shows sessions."""
    import duckdb

    status = path.stat()
    if (status.st_dev, status.st_ino) in opened:
        return True
    try:
        with in_memory(path) as con:
            con.execute(f"ATTACH {literal(path)} AS unread")
    except duckdb.Error as error:
        return "lock on file" in str(error)
    return False
