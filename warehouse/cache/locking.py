"""An exclusive lock between processes and threads. The lock belongs to an open file: a crash of any kind releases it.

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

_held_by_thread = threading.local()


class AlreadyHeld(WarehouseError):
    """This thread holds the lock already: waiting for itself would never end."""


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock at `path`, waiting without limit. Raises AlreadyHeld when this thread holds it.

    A waiter holds the gate file beside it, so that a process that releases the lock and returns stands behind it.
    """
    path = path.resolve()
    held: set[Path] = _held_by_thread.__dict__.setdefault("paths", set())
    if path in held:
        raise AlreadyHeld(f"{path.name} is held by this thread: close the cache before opening it again")
    path.parent.mkdir(parents=True, exist_ok=True)
    gate = _lock(path.with_suffix(".gate"))
    try:
        handle = _lock(path)
    finally:
        os.close(gate)
    held.add(path)
    try:
        yield
    finally:
        held.discard(path)
        os.close(handle)


def _lock(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except BaseException:
        os.close(handle)
        raise
    return handle
