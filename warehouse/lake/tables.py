"""The tables of a lake, each in parts, and the state of each part when it was last written."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from warehouse.cache.sql import quoted
from warehouse.errors import LakeTooNew
from warehouse.publish.views import table_parts

if TYPE_CHECKING:
    import duckdb

LAYOUT = 2
"""Raised when the tables of a lake change their meaning."""

STATE = "lake.tollbook_tables"
"""One row: the publication as the view `publication` shows it, and in `tables` the parts of each table, as JSON. One
small file is read and written by each write; and of two writers at once, who both replace it, the second begins again.
"""

FIND_TABLES = """
CREATE TEMP TABLE tables_of_datasets AS
SELECT table_name FROM published.published_tables
WHERE table_name || '_versions' IN (SELECT t.table_name FROM duckdb_tables() t WHERE t.database_name = 'published')
"""
"""Asked before the lake is attached: DuckDB would read all of its catalog for the answer."""


@dataclass(frozen=True, slots=True)
class LakeTable:
    name: str

    @property
    def target(self) -> str:
        return f"lake.{quoted(self.name)}"

    @property
    def rows(self) -> str:
        """Its published rows as a FROM clause takes them, under the name p."""
        return f"({table_parts.source(self.name, 'published')}) p"

    @property
    def counted(self) -> str:
        """A published table with as many rows, which DuckDB knows without reading them."""
        return f"published.{quoted('loads' if self.name == 'provenance' else self.name)}"

    @property
    def part(self) -> str:
        return f"coalesce({table_parts.number(self.name)}, 0) // {table_parts.width(self.name)}"

    def within(self, parts: Collection[int]) -> str:
        """The condition that a row is in one of the parts; the bounds leave files and row groups unread."""
        if not parts:
            return "false"
        number, width = table_parts.number(self.name), table_parts.width(self.name)
        low, high = min(parts) * width, (max(parts) + 1) * width
        chosen = f"{self.part} IN ({', '.join(map(str, sorted(parts)))})"
        return f"({number} IS NULL OR ({number} >= {low} AND {number} < {high})) AND {chosen}"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one part of a table, the XOR of their hashes, and the newest number among them where it is known."""

    rows: int
    digest: int
    newest: int = field(default=0, compare=False)

    def with_more(self, other: Part) -> Part:
        """This part and rows that it lacks."""
        return Part(self.rows + other.rows, self.digest ^ other.digest, max(self.newest, other.newest))


Parts = Mapping[int, Part]


@dataclass(frozen=True, slots=True)
class LakeState:
    """The parts of a table when it was last written.

    DuckDB's hash may differ from one version to the next, so the version stands beside them.
    """

    parts: Parts
    engine: str

    @property
    def newest(self) -> int:
        return max((part.newest for part in self.parts.values()), default=0)


def published_tables(con: duckdb.DuckDBPyConnection) -> list[LakeTable]:
    """Every table that a lake of this publication has: current rows and versions per dataset, costs, provenance."""
    found = con.execute("SELECT * FROM tables_of_datasets ORDER BY ALL").fetchall()
    names = [each for (name,) in found for each in (name, f"{name}_versions")]
    return [LakeTable(name) for name in (*names, *table_parts.OF_PURCHASES)]


def carried_parts(con: duckdb.DuckDBPyConnection) -> dict[str, dict[int, Part]] | None:
    """The parts of all tables as the publication has them; None where it has none, or hashed by another DuckDB."""
    import duckdb

    try:
        found = con.execute(f"SELECT * FROM published.{table_parts.NAME}").fetchall()
    except duckdb.CatalogException:
        return None
    if not found:
        return None
    parts: dict[str, dict[int, Part]] = {}
    for name, part, rows, digest, engine in found:
        if engine != duckdb.__version__:
            return None
        parts.setdefault(name, {})[part] = Part(rows, digest)
    return parts


def read_states(con: duckdb.DuckDBPyConnection) -> dict[str, LakeState] | None:
    """Return the state of each table at the last write, by name; None for a lake that has no such table, or an older
    one. Raises LakeTooNew."""
    import duckdb

    try:
        rows = con.execute(f"SELECT lake_layout, tables FROM {STATE}").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    if not rows:
        return None
    [(layout, tables)] = rows
    if layout > LAYOUT:
        raise LakeTooNew(
            f"the lake has layout {layout}, this tollbook writes {LAYOUT}",
            advice="run the newer tollbook, or name another lake; nothing was written",
        )
    return {
        name: LakeState({int(part): Part(*each) for part, each in held["parts"].items()}, held["engine"])
        for name, held in json.loads(tables).items()
    }


def write_states(con: duckdb.DuckDBPyConnection, states: Mapping[str, LakeState]) -> None:
    """Replace the states of all tables, and the publication that they show."""
    tables = {
        name: {"engine": held.engine, "parts": {n: [p.rows, p.digest, p.newest] for n, p in held.parts.items()}}
        for name, held in states.items()
    }
    con.execute(f"DELETE FROM {STATE}")
    con.execute(f"INSERT INTO {STATE} SELECT *, {LAYOUT}, ? FROM published.publication", [json.dumps(tables)])


def create_state(con: duckdb.DuckDBPyConnection) -> None:
    """Create the table of states and the view on it, in place of those of an older layout."""
    kinds = {row[0]: row[1] for row in con.execute(_KINDS).fetchall()}
    for name in ("publication", "tollbook_tables"):
        if name in kinds:
            con.execute(f"DROP {kinds[name]} lake.{name}")
    con.execute(
        f"CREATE TABLE {STATE} AS SELECT *, {LAYOUT} AS lake_layout, '' AS tables FROM published.publication LIMIT 0"
    )
    con.execute(f"CREATE VIEW lake.publication AS SELECT * EXCLUDE (lake_layout, tables) FROM {STATE}")


_KINDS = """
SELECT table_name, CASE table_type WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END FROM information_schema.tables
WHERE table_catalog = 'lake'
"""


def columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind, *_ in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
