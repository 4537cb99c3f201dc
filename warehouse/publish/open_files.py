"""Who has which published version open, as far as the system tells. Looks at names and numbers; opens none of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_GONE = " (deleted)"


@dataclass(frozen=True, slots=True)
class Held:
    """Disk of old versions that sessions still read, also of those that have no name any more."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Open:
    """One open file: its name, or the last it had, and whether it was opened for writing."""

    name: str
    found: os.stat_result
    writing: bool

    @property
    def inode(self) -> tuple[int, int]:
        return self.found.st_dev, self.found.st_ino


def inodes() -> set[tuple[int, int]]:
    """Every DuckDB file that a process which can be looked into, this one included, has open."""
    if not os.path.isdir("/proc/self/fd"):
        return set(_own())
    return {own.inode for own in _opened()}


def held(published: Path) -> Held:
    """Versions of the analysts' file that are read and no longer public. Each counts once, however many read it."""
    folders = {str(published.resolve()), str(published.resolve() / ".private")}
    reading = [own for own in _opened() if not own.writing and os.path.dirname(own.name) in folders]
    sizes = {own.inode: own.found.st_size for own in reading if not os.path.basename(own.name).startswith("shown")}
    with suppress(FileNotFoundError):
        public = (published / "warehouse.duckdb").stat()
        sizes.pop((public.st_dev, public.st_ino), None)
    return Held(len(sizes), sum(sizes.values()))


def _own() -> Iterator[tuple[int, int]]:
    """What this process has open, where the system shows no other's."""
    for number in _numbered("/dev/fd"):
        with suppress(OSError):
            found = os.fstat(int(number))
            yield found.st_dev, found.st_ino


def _opened() -> Iterator[Open]:
    """Files of processes of others, and of those that end meanwhile, are left out."""
    for process in _numbered("/proc"):
        for number in _numbered(f"/proc/{process}/fd"):
            link = f"/proc/{process}/fd/{number}"
            with suppress(OSError):
                name = os.readlink(link).removesuffix(_GONE)
                if name.endswith(".duckdb"):
                    yield Open(name, os.stat(link), bool(os.lstat(link).st_mode & 0o200))


def _numbered(folder: str) -> list[str]:
    with suppress(OSError):
        return [name for name in os.listdir(folder) if name.isdecimal()]
    return []
