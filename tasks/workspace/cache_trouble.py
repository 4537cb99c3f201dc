"""What keeps the tables from being brought up to date, in a person's words. It costs no money; a later run mends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from payer.values.errors import PayerError


class CacheTrouble(PayerError):
    """The tables can't be brought up to date now. The ledger, with everything that was bought, is not touched by it."""

    money = "none is lost: whatever was bought is in the ledger"
    repeat = "yes: the tables are brought up from the ledger, nothing is bought twice"
    advice = "close what holds state/cache.duckdb open, or delete that file: it is made anew for $0"
    exit_code = 6


class DiskTrouble(PayerError):
    """A file can't be read or written. The ledger commits before anything is sent, so money is never ahead of it."""

    money = "whatever was sent is in the ledger; see `tollbook status`"
    repeat = "yes, once the disk is mended: nothing is bought twice"
    advice = "check free space and permissions under TOLLBOOK_HOME (`tollbook doctor`)"
    exit_code = 6


@contextmanager
def in_plain_words() -> Iterator[None]:
    """What the disk, DuckDB or the warehouse raises, as one of the above; other errors as they are."""
    try:
        yield
    except Exception as error:
        known = trouble_of(error)
        if known is None or known is error:
            raise
        raise known from error


def trouble_of(error: Exception) -> PayerError | None:
    """None for what is no such trouble."""
    if isinstance(error, PayerError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return DiskTrouble(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    if isinstance(error, OSError) or _is_of_the_disk(error):
        return DiskTrouble(str(error))
    if type(error).__module__.startswith("warehouse"):
        return CacheTrouble(str(error))
    return None


def _is_of_the_disk(error: Exception) -> bool:
    """What DuckDB raises where Python has an OSError. It is not imported for that: most commands never use it."""
    raised = type(error)
    return raised.__module__.endswith("duckdb") and raised.__name__ in ("IOException", "OutOfMemoryException")
