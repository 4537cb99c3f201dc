"""The empty published file: made once a worker, then copied. To make its tables, views and 3,500 comments takes longer
than the rest of a publication, and the file that comes out is the same for every home."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warehouse.cache.sql import literal
from warehouse.cache.store import STORAGE
from warehouse.publish import attach
from warehouse.publish.views import catalog

if TYPE_CHECKING:
    import duckdb

make_tables: Callable[..., None] = attach.create_tables
"""As the product has it; child processes use nothing else."""


@contextmanager
def copied(folder: Path) -> Iterator[None]:
    """Begin each new published file as a copy of the first that was made for the same declarations."""

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
            shutil.copyfile(path, blank)
        con.execute(f"ATTACH {literal(path)} AS pub (STORAGE_VERSION '{STORAGE}')")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attach, "create_tables", create)
        yield


@contextmanager
def made() -> Iterator[None]:
    """Make each published file as the product does, for a test that a copy would mislead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attach, "create_tables", make_tables)
        yield


def _has_tables(con: duckdb.DuckDBPyConnection) -> bool:
    [(count,)] = con.execute("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'pub'").fetchall()
    return bool(count)
