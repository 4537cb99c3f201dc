"""One process at a time, in turn. A lock is held by an open file, so that a crash of any kind lets it go.

The locked files are never a DuckDB file: closing any second handle on one would drop DuckDB's own lock.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.errors import WarehouseError

_held = threading.local()


class AlreadyHeld(WarehouseError):
    """This very thread holds the lock: waiting for itself would never end."""


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Hold the lock at `path`, however long others need it first.

    Whoever waits holds the gate beside it, so that a process that lets go and comes back stands behind them.
    """
    path = path.resolve()
    mine: set[Path] = _held.__dict__.setdefault("paths", set())
    if path in mine:
        raise AlreadyHeld(f"{path.name} is held by this thread: close the cache before opening it again")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".gate")):
        door = _lock(path)
    mine.add(path)
    try:
        yield
    finally:
        mine.discard(path)
        os.close(door)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = _lock(path)
    try:
        yield
    finally:
        os.close(handle)


def _lock(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except BaseException:
        os.close(handle)
        raise
    return handle
