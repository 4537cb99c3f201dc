"""Query the published file as an analyst sees it, for the verbs and artifacts that show it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from warehouse.cache.instance import in_memory
from warehouse.cache.sql import literal
from warehouse.errors import CacheBusy, CacheDamaged, OtherRelease

Answer = tuple[list[str], list[tuple[Any, ...]]]
"""Column names and rows of one query."""


def query(home: Path | str, sql: str, values: Sequence[object] = ()) -> Answer:
    """Ask one query of the newest publication; times are in UTC.

    The file is attached: a connection to its path would give the version that this process may still hold open. Raises
    FileNotFoundError before the first publication, and OtherRelease.
    """
    [answer] = queries(home, (sql, values))
    return answer


def queries(home: Path | str, *asked: tuple[str, Sequence[object]]) -> list[Answer]:
    """Ask several queries, with their values, of one and the same publication: opening the file costs most."""
    path = Path(home) / "published" / "warehouse.duckdb"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: nothing was published yet")
    import duckdb

    answers: list[Answer] = []
    with in_memory(path) as con:
        con.execute(f"ATTACH {literal(path)} AS warehouse (READ_ONLY); USE warehouse")
        for sql, values in asked:
            try:
                result = con.execute(sql, list(values))
            except (duckdb.BinderException, duckdb.CatalogException) as error:
                raise OtherRelease(f"{path} was published by another release of tollbook") from error
            answers.append(([column[0] for column in result.description or []], result.fetchall()))
    return answers


def update_errors() -> tuple[type[Exception], ...]:
    """Errors that keep cache and published file from being updated: the disk, a program that holds a file, damage."""
    import duckdb

    return (OSError, duckdb.Error, CacheBusy, CacheDamaged)
