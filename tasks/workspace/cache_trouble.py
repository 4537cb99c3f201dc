"""Turn errors of disk and cache into payer errors: what happened to money, whether to repeat, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from payer.values.errors import PayerError


class CacheTrouble(PayerError):
    """Raised when the tables can't be brought up to date. The ledger, with everything bought, is not affected."""

    money = "none is lost: whatever was bought is in the ledger"
    repeat = "yes: the tables are loaded from the ledger, nothing is bought twice"
    advice = "close what holds state/cache.duckdb open, or delete that file: it is rebuilt for $0"
    exit_code = 6


class DiskTrouble(PayerError):
    """Raised when a file can't be read or written. The ledger commits before anything is sent."""

    money = "whatever was sent is in the ledger; see `tollbook status`"
    repeat = "yes, once the disk works: nothing is bought twice"
    advice = "check free space and permissions under TOLLBOOK_HOME (`tollbook doctor`)"
    exit_code = 6


_DISK = {
    "No space left on device": "the disk is full",
    "Disk quota exceeded": "this user's share of the disk is used up",
    "Read-only file system": "the disk is read-only",
    "Permission denied": "this user may not write there",
    "Input/output error": "the disk failed",
    "File too large": "the file may not grow further",
}
"""Words for what the system says of a disk."""


def disk_words(said: str) -> str:
    """Put the system's words of a disk, or DuckDB's message about one, in words of ours; others stay as they are."""
    for theirs, ours in _DISK.items():
        if theirs in said:
            path = re.search(r'"([^"]+)"', said)
            return f"{path[1]}: {ours}" if path else ours
    return said


@contextmanager
def as_payer_errors() -> Iterator[None]:
    """Raise errors of the disk, of DuckDB and of the warehouse as one of the above; others pass as they are."""
    try:
        yield
    except Exception as error:
        translated = as_payer_error(error)
        if translated is None or translated is error:
            raise
        raise translated from error


def as_payer_error(error: Exception) -> PayerError | None:
    """Return the error as a payer error; None for one that is neither of the disk nor of the warehouse."""
    if isinstance(error, PayerError):
        return error
    from warehouse.errors import OtherRelease, WarehouseError, is_disk_error

    if isinstance(error, OSError) and error.strerror:
        words = disk_words(error.strerror)
        return DiskTrouble(f"{error.filename}: {words}" if error.filename else words)
    if is_disk_error(error):
        return DiskTrouble(disk_words(str(error)))
    if isinstance(error, OtherRelease):
        return CacheTrouble(str(error), advice="`tollbook publish` writes it as this release does, for $0")
    if isinstance(error, WarehouseError):
        return CacheTrouble(str(error))
    return None
