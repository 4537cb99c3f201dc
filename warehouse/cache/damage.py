"""Whether a DuckDB file is at fault for an error, and not the disk, a program that holds it, or what was asked."""

from __future__ import annotations

_DAMAGED = ("corrupt", "checksum", "not a valid duckdb", "could not read enough bytes", "replaying wal", "wal file")
_CANNOT_WRITE = ("could not write", "could not sync", "could not truncate", "no space", "permission", "read-only")


def is_damage(error: Exception) -> bool:
    """The file itself is at fault, not the disk, a program that holds it, or what was asked."""
    import duckdb

    if any(words in str(error).lower() for words in _CANNOT_WRITE):
        return False
    broken = (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
    return isinstance(error, broken) or is_certain(error)


def is_certain(error: Exception) -> bool:
    """DuckDB says so itself: a checksum, a header, a log. An internal error may as well be its own."""
    text = str(error).lower()
    return any(words in text for words in _DAMAGED) and not any(words in text for words in _CANNOT_WRITE)


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
