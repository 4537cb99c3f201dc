"""The empty published file: made once a test run, then copied. To make its tables, views and 3,500 comments takes
longer than the rest of a publication, and the file that comes out is the same for every home.

The workers of a run share the copies, and so does a child process whose work begins with `use`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache.sql import literal
from warehouse.cache.store import STORAGE
from warehouse.publish import attach
from warehouse.publish.views import catalog

if TYPE_CHECKING:
    import duckdb

make_tables: Callable[..., None] = attach.create_tables
"""As the product has it."""

FOLDER = "TESTS_BLANK_FILES"
"""The variable that tells child processes where the copies are."""


@contextmanager
def copied(folder: Path) -> Iterator[None]:
    """Begin each new published file as a copy of the first that was made for the same declarations."""
    import pytest

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        patch.setattr(attach, "create_tables", _copying(folder))
        yield


@contextmanager
def made() -> Iterator[None]:
    """Make each published file as the product does, for a test that a copy would mislead."""
    import pytest

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(FOLDER, raising=False)
        patch.setattr(attach, "create_tables", make_tables)
        yield


def use() -> None:
    """In a child process: begin each published file as the process that started it does."""
    if folder := os.environ.get(FOLDER):
        attach.create_tables = _copying(Path(folder))


def _copying(folder: Path) -> Callable[..., None]:
    def create(con: duckdb.DuckDBPyConnection, *, comments: bool = True) -> None:
        query = "SELECT path FROM duckdb_databases() WHERE database_name = 'pub'"
        [(path,)] = con.execute(query).fetchall()
        if path is None or not comments or _has_tables(con):
            make_tables(con, comments=comments)
            return
        blank = folder / f"{catalog.shape()}.duckdb"
        if not blank.exists():
            make_tables(con)
            con.execute("CHECKPOINT pub")
        con.execute("DETACH pub")
        if blank.exists():
            shutil.copyfile(blank, path)
        else:
            draft = blank.with_suffix(f".{os.getpid()}")
            shutil.copyfile(path, draft)
            draft.replace(blank)
        con.execute(f"ATTACH {literal(path)} AS pub (STORAGE_VERSION '{STORAGE}')")

    return create


def _has_tables(con: duckdb.DuckDBPyConnection) -> bool:
    [(count,)] = con.execute("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'pub'").fetchall()
    return bool(count)
