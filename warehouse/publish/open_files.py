"""Find out which processes have a published version open, from names and inode numbers. Opens no file itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class OldVersions:
    """Old versions that sessions still read, and their size on disk; also those that have no name any more."""

    files: int
    bytes: int


def open_inodes() -> set[tuple[int, int]]:
    """Device and inode of every DuckDB file that a process, as far as it can be looked into, has open."""
    if not os.path.isdir("/proc/self/fd"):
        return set(_inodes_of_this_process())
    return {inode for _, inode, _, _ in _open_files()}


def held_versions(published: Path) -> OldVersions:
    """Versions of the analysts' file that are read and no longer public. Each counts once, however many read it."""
    folders = {str(published.resolve()), str(published.resolve() / ".private")}
    sizes = {
        inode: size
        for name, inode, size, writing in _open_files()
        if not writing and os.path.dirname(name) in folders and not os.path.basename(name).startswith("shown")
    }
    with suppress(FileNotFoundError):
        public = (published / "warehouse.duckdb").stat()
        sizes.pop((public.st_dev, public.st_ino), None)
    return OldVersions(len(sizes), sum(sizes.values()))


def _inodes_of_this_process() -> Iterator[tuple[int, int]]:
    """For systems that don't show other processes' files."""
    for number in _numbers_in("/dev/fd"):
        with suppress(OSError):
            status = os.fstat(int(number))
            yield status.st_dev, status.st_ino


def _open_files() -> Iterator[tuple[str, tuple[int, int], int, bool]]:
    """DuckDB files of all processes, except those of other users and of processes that end meanwhile: the name, or the
    last one it had, device and inode, size, and whether it was opened for writing."""
    for process in _numbers_in("/proc"):
        for number in _numbers_in(f"/proc/{process}/fd"):
            link = f"/proc/{process}/fd/{number}"
            with suppress(OSError):
                name = os.readlink(link).removesuffix(_DELETED)
                if name.endswith(".duckdb"):
                    status = os.stat(link)
                    writing = bool(os.lstat(link).st_mode & 0o200)
                    yield name, (status.st_dev, status.st_ino), status.st_size, writing


def _numbers_in(folder: str) -> list[str]:
    with suppress(OSError):
        return [name for name in os.listdir(folder) if name.isdecimal()]
    return []
