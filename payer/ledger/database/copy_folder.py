"""A temporary folder for a copy of a ledger that is not complete yet."""

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
def copy_folder(parent: Path | None) -> Iterator[Path]:
    """Make a hidden folder in `parent` and remove it when the block ends; None: in the system's temporary folder.

    A process that is killed leaves its folder behind, as large as a ledger. Such a folder is locked by nobody, and the
    next call with the same `parent` removes it. `parent` itself is locked meanwhile, so that no process removes a
    folder that another has made and not locked yet.
    """
    with ExitStack() as stack:
        with _locked(parent, fcntl.LOCK_EX) if parent else nullcontext():
            for leftover in parent.glob(f"{_PREFIX}*") if parent else ():
                with _locked(leftover) as abandoned:
                    if abandoned:
                        shutil.rmtree(leftover, ignore_errors=True)
            folder = TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True)
            stack.enter_context(_locked(Path(stack.enter_context(folder))))
        yield Path(folder.name)


@contextmanager
def _locked(folder: Path, operation: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Iterator[bool]:
    """Lock a folder for the block, at most as long as the process lives. Yields False when it can't be locked."""
    descriptor, locked = None, False
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, operation)
        locked = True
    try:
        yield locked
    finally:
        if descriptor is not None:
            os.close(descriptor)
