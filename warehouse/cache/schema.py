"""The tables that the declared datasets make, and how a cache file gets them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sources import registry
from sources.model import Cast, Column, Dataset, Kind

if TYPE_CHECKING:
    import duckdb

FORMAT = 2
"""Raised when tables of the cache change in meaning: an older cache is then built anew from the ledger."""

TYPES = {
    Cast.INTEGER: "BIGINT",
    Cast.FLOAT: "DOUBLE",
    Cast.TEXT: "VARCHAR",
    Cast.BOOLEAN: "BOOLEAN",
    Cast.TIMESTAMP: "TIMESTAMPTZ",
    Cast.DATE: "DATE",
    Cast.JSON: "VARCHAR",
}

TRAIL = (
    ("observed_at", "TIMESTAMPTZ"),
    ("purchase_id", "VARCHAR"),
    ("dataset", "VARCHAR"),
    ("row_hash", "UBIGINT"),
    ("seq", "BIGINT"),
)
"""Columns of every table after the declared ones: when, by which purchase and dataset, and the content's hash."""

_BOOKS = """
CREATE TABLE IF NOT EXISTS meta (name VARCHAR, value VARCHAR);
CREATE TABLE IF NOT EXISTS loads (
    purchase_id VARCHAR, seq BIGINT, dataset VARCHAR, rows_in BIGINT, rows_new BIGINT, rows_changed BIGINT,
    rows_quarantined BIGINT, observed_at TIMESTAMPTZ, envelope VARCHAR);
CREATE TABLE IF NOT EXISTS quarantined (
    purchase_id VARCHAR, dataset VARCHAR, observed_at TIMESTAMPTZ, reason VARCHAR, raw VARCHAR);
CREATE TABLE IF NOT EXISTS drift (
    dataset VARCHAR, "column" VARCHAR, change VARCHAR, first_seen TIMESTAMPTZ, purchase_id VARCHAR, detail VARCHAR);
CREATE TABLE IF NOT EXISTS rewinds (table_name VARCHAR, since TIMESTAMPTZ, purchases BIGINT, seq BIGINT);
CREATE OR REPLACE TABLE declared (
    dataset VARCHAR, table_name VARCHAR, kind VARCHAR, grain BIGINT, due BIGINT, for_sale BIGINT, repaired_by VARCHAR);
CREATE TABLE IF NOT EXISTS scheduled (dataset VARCHAR, fires_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS watched (dataset VARCHAR, key VARCHAR);
CREATE TABLE IF NOT EXISTS coverage (
    dataset VARCHAR, key VARCHAR, first BIGINT, last BIGINT, bucket BIGINT, settled BOOLEAN);
CREATE TABLE IF NOT EXISTS coverage_open (
    dataset VARCHAR, group_id VARCHAR, key VARCHAR, first BIGINT, last BIGINT, bucket BIGINT, settled BOOLEAN);
CREATE TABLE IF NOT EXISTS coverage_groups (
    dataset VARCHAR, group_id VARCHAR, edition VARCHAR, bucket BIGINT, context VARCHAR, pages BIGINT[], state VARCHAR,
    rows BIGINT, completed_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS coverage_pages (
    dataset VARCHAR, group_id VARCHAR, page BIGINT, purchase_id VARCHAR, observed_at TIMESTAMPTZ, rows BIGINT,
    keys VARCHAR[], slots BIGINT[], known BOOLEAN, readable BOOLEAN);
"""


@dataclass(frozen=True, slots=True)
class Table:
    """What the datasets that share a table make of it: every column of any, in the order of declaration."""

    name: str
    columns: tuple[Column, ...]
    natural_key: tuple[str, ...]
    compared: tuple[str, ...]
    datasets: tuple[str, ...]

    @property
    def observations(self) -> str:
        return f"{self.name}_observations"

    @property
    def newest(self) -> str:
        """The cache's index of current rows: of each natural key which observation is its newest, and its hash."""
        return f"{self.name}_newest"

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Name and SQL type of every column."""
        return (*((own.name, TYPES[own.cast]) for own in self.columns), *TRAIL)

    @property
    def newest_fields(self) -> tuple[tuple[str, str], ...]:
        """The same of `newest`. A delivery holds a key once, so that key and seq name one observation."""
        names = (*self.natural_key, "row_hash", "seq")
        return tuple((name, kind) for name, kind in self.fields if name in names)


def literal(value: object) -> str:
    """A path or word as SQL text, whatever is in it."""
    return "'" + str(value).replace("'", "''") + "'"


def quoted(names: Iterable[str]) -> str:
    """Names as a column list."""
    return ", ".join(f'"{name}"' for name in names)


FEW = 8
"""Rows or values up to which writing them into a statement is quicker than handing over a table or a list."""


def among(column: str, values: Sequence[str]) -> tuple[str, list[Any]]:
    """A condition that the column has one of these values, and the parameters it takes."""
    if 0 < len(values) <= FEW:
        return f"{column} IN ({', '.join('?' * len(values))})", list(values)
    return f"{column} IN (SELECT unnest(?::VARCHAR[]))", [list(values)]


@cache
def tables() -> dict[str, Table]:
    """Every declared table by name."""
    sharing: dict[str, list[Dataset]] = {}
    for own in registry.datasets():
        sharing.setdefault(own.table, []).append(own)
    return {name: _table(name, members) for name, members in sharing.items()}


def _table(name: str, members: list[Dataset]) -> Table:
    columns = {own.name: own for member in members for own in member.columns}
    extras = [columns.pop(own) for own in ("extras",) if own in columns]
    compared = dict.fromkeys(own for member in members for own in member.compared)
    keys = {member.natural_key for member in members}
    if len(keys) != 1:
        raise ValueError(f"datasets of table {name} differ in their natural key: {sorted(keys)}")
    return Table(
        name,
        (*columns.values(), *extras),
        members[0].natural_key,
        tuple(compared),
        tuple(member.name for member in members),
    )


@cache
def declaration() -> str:
    """A fingerprint of all declared tables: a cache made under another one is brought up to this one."""
    text = repr([(own.name, own.fields, own.natural_key, own.compared, own.datasets) for own in tables().values()])
    return hashlib.blake2s(f"{FORMAT}|{text}".encode(), digest_size=12).hexdigest()


def _prepared() -> str:
    """A fingerprint of all that `prepare` makes. Bookkeeping may grow without a row being read again."""
    text = "\n".join((declaration(), _BOOKS))
    return hashlib.blake2s(text.encode(), digest_size=12).hexdigest()


_SAMPLE = "SELECT hash('a', 1::BIGINT, NULL, 0.1::DOUBLE, DATE '2025-01-01', TIMESTAMPTZ '2025-01-01 00:00:00+00')"


@cache
def hash_function() -> str:
    """What DuckDB's hash says of a known row: a release that says otherwise can't go on with older hashes."""
    import duckdb

    with duckdb.connect() as con:
        return str(con.execute(_SAMPLE).fetchall()[0][0])


def outdated(meta: dict[str, str]) -> str | None:
    """Why the rows of this file can't be added to, if so."""
    if meta["format"] != str(FORMAT):
        return f"the cache is of format {meta['format']}, now it is {FORMAT}"
    if meta["built"] != declaration():
        return "the declared tables have changed"
    return None if meta["hash"] == hash_function() else "this release of DuckDB hashes otherwise"


def prepare(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Bring a file to what is declared now, if it isn't; returns what the file says of itself. One of another format
    is left as it is, to be made anew."""
    known = read_meta(con)
    if known and (known["format"] != str(FORMAT) or known.get("prepared") == _prepared()):
        return known
    con.execute("BEGIN")
    con.execute(_BOOKS)
    _extend(con)
    _declare(con)
    write_meta(con, prepared=_prepared())
    if not known:
        write_meta(con, format=str(FORMAT), hash=hash_function(), built=declaration(), whole="no", build=uuid4().hex)
    con.execute("COMMIT")
    return read_meta(con)


def _declare(con: duckdb.DuckDBPyConnection) -> None:
    """The datasets' cadence, for the facts of quality: a slot is due `due` seconds after its start, and can be bought
    `for_sale` seconds after it: a snapshot at once, a series when it stands."""
    rows = []
    for own in registry.datasets():
        due = own.grain + (own.settle if own.window else 0)
        for_sale = due if own.kind is Kind.SERIES else 0
        rows.append((own.name, own.table, own.kind.value, own.grain, due, for_sale, own.repaired_by))
    values = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(rows))
    con.execute(f"INSERT INTO declared VALUES {values}", [value for row in rows for value in row])


def make(con: duckdb.DuckDBPyConnection, own: Table) -> None:
    """Its tables, when something comes for them first: opening a file costs by the tables it has. Its own name is a
    view of the current rows.

    Not inside a transaction, which finding them missing would abort.
    """
    import duckdb

    with suppress(duckdb.CatalogException):
        con.execute(f'SELECT 1 FROM "{own.newest}" LIMIT 0')
        return
    con.execute("BEGIN")
    con.execute(f'CREATE TABLE "{own.observations}" ({definition(own.fields)})')
    con.execute(f'CREATE TABLE "{own.newest}" ({definition(own.newest_fields)})')
    con.execute(_current(own))
    con.execute("COMMIT")


def _current(own: Table) -> str:
    key = quoted((*own.natural_key, "seq"))
    return f'CREATE OR REPLACE VIEW "{own.name}" AS FROM "{own.observations}" SEMI JOIN "{own.newest}" USING ({key})'


def _extend(con: duckdb.DuckDBPyConnection) -> None:
    """Columns that are missing in tables there are."""
    found: dict[str, set[str]] = {}
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database()"
    for table, column in con.execute(query).fetchall():
        found.setdefault(table, set()).add(column)
    for own in tables().values():
        if own.observations in found:
            for column, kind in own.fields:
                if column not in found[own.observations]:
                    con.execute(f'ALTER TABLE "{own.observations}" ADD COLUMN "{column}" {kind}')
            con.execute(_current(own))


def definition(fields: Iterable[tuple[str, str]]) -> str:
    """Columns as CREATE TABLE takes them."""
    return ", ".join(f'"{name}" {kind}' for name, kind in fields)


def read_meta(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What the file says of itself; empty for a new one."""
    import duckdb

    try:
        return dict(con.execute("SELECT name, value FROM meta").fetchall())
    except duckdb.CatalogException:
        return {}


def write_meta(con: duckdb.DuckDBPyConnection, **values: str) -> None:
    for name, value in values.items():
        con.execute("DELETE FROM meta WHERE name = ?", [name])
        con.execute("INSERT INTO meta VALUES (?, ?)", [name, value])
