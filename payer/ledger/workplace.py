"""A folder for a copy that is not whole yet: hidden, of one process, and gone with it or with the next that comes."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_PREFIX = ".tollbook-copy-"


@contextmanager
def workplace(beside: Path | None) -> Iterator[Path]:
    """A new folder in `beside`, for as long as it is needed; None: where temporary files go.

    A process that is killed leaves its own, as large as a ledger. Nobody holds that any more, and it goes first here:
    one process at a time, so that none takes a folder that another has just made and not locked yet.
    """
    with ExitStack() as stack:
        with _held(beside, fcntl.LOCK_EX) if beside else nullcontext():
            for left in beside.glob(f"{_PREFIX}*") if beside else ():
                with _held(left) as ours:
                    if ours:
                        shutil.rmtree(left, ignore_errors=True)
            folder = TemporaryDirectory(prefix=_PREFIX, dir=beside, ignore_cleanup_errors=True)
            stack.enter_context(_held(Path(stack.enter_context(folder))))
        yield Path(folder.name)


@contextmanager
def _held(folder: Path, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Iterator[bool]:
    """Whether it could be locked, which lasts as long as the block and no longer than the process."""
    handle, locked = None, False
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(handle, how)
        locked = True
    try:
        yield locked
    finally:
        if handle is not None:
            os.close(handle)
