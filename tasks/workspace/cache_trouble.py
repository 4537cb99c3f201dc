"""Turn errors of disk and cache into payer errors: what happened to money, whether to repeat, what to do."""

from __future__ import annotations

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
    from warehouse.errors import WarehouseError, is_disk_error

    if isinstance(error, OSError) and error.strerror:
        return DiskTrouble(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    if is_disk_error(error):
        return DiskTrouble(str(error))
    if isinstance(error, WarehouseError):
        return CacheTrouble(str(error))
    return None
