"""The tables of a lake, each in parts, and the state of each part when it was last written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from warehouse.cache.sql import literal, quoted
from warehouse.lake.errors import LakeTooNew
from warehouse.publish.views import table_parts

if TYPE_CHECKING:
    import duckdb

LAYOUT = 2
"""Raised when the tables of a lake change their meaning."""

STATE_NAME = "tollbook_tables"
STATE = f"lake.{STATE_NAME}"
_STATE_COLUMNS = {
    "name": "VARCHAR",
    "part": "BIGINT",
    "rows": "BIGINT",
    "digest": "UBIGINT",
    "newest": "BIGINT",
    "engine": "VARCHAR",
    "layout": "INTEGER",
}
_INLINED = 1_000_000
"""The states of parts stand in the catalog itself: a file for each write would be read by the next one."""

FIND_TABLES = """
CREATE TEMP TABLE tables_of_datasets AS
SELECT table_name FROM published.published_tables
WHERE table_name || '_versions' IN (SELECT t.table_name FROM duckdb_tables() t WHERE t.database_name = 'published')
"""
"""Asked before the lake is attached: DuckDB would read all of its catalog for the answer."""

PROVENANCE = """
SELECT l.purchase_id, l.dataset, c.seller, c.flow, c.request, c.edition, l.observed_at, l.rows_in, l.rows_new,
  l.rows_changed, l.rows_quarantined, c.network, c.asset, c.amount_atomic, c.amount, c.wallet, c.payee, c.nonce,
  c.tx_hash, c.block_number, c.block_time, c.verified_on_chain
FROM published.loads l LEFT JOIN published.costs c USING (purchase_id)
"""
"""One row per purchase that brought rows: each row's own `purchase_id` leads here, and from here to its transaction."""

_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class LakeTable:
    """One table: the query that gives its rows, and the number that each row of p came under, in order of arrival.

    A part is `width` of these numbers. `carried`: the publication knows the digests of its parts. `single`: one row,
    another with each publication.
    """

    name: str
    source: str
    number: str
    width: int
    carried: bool = False
    single: bool = False

    @property
    def target(self) -> str:
        return f"lake.{quoted(self.name)}"

    @property
    def rows(self) -> str:
        """Its published rows as a FROM clause takes them, under the name p."""
        return f"({self.source}) p"

    @property
    def part(self) -> str:
        return f"coalesce({self.number}, 0) // {self.width}"

    def within(self, parts: Collection[int]) -> str:
        """The condition that a row is in one of the parts; the bounds leave files and row groups unread."""
        if not parts:
            return "false"
        low, high = min(parts) * self.width, (max(parts) + 1) * self.width
        chosen = f"{self.part} IN ({', '.join(map(str, sorted(parts)))})"
        return f"({self.number} IS NULL OR ({self.number} >= {low} AND {self.number} < {high})) AND {chosen}"


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
        """The newest number in the table."""
        return max((part.newest for part in self.parts.values()), default=0)


def published_tables(con: duckdb.DuckDBPyConnection) -> list[LakeTable]:
    """Every table that a lake of this publication has: current rows and versions per dataset, costs, provenance."""
    tables = []
    for (name,) in con.execute("SELECT * FROM tables_of_datasets ORDER BY ALL").fetchall():
        for each in (name, f"{name}_versions"):
            source = f"SELECT * FROM published.{quoted(each)}"
            tables.append(LakeTable(each, source, "p.seq", table_parts.LOADS, carried=True))
    return [
        *tables,
        LakeTable("costs", "SELECT * FROM published.costs", "epoch_us(p.created_at)", _DAY),
        LakeTable("provenance", PROVENANCE, "epoch_us(p.observed_at)", _DAY),
        PUBLICATION,
    ]


PUBLICATION = LakeTable("publication", "SELECT * FROM published.publication", "0", 1, single=True)


def carried_parts(con: duckdb.DuckDBPyConnection) -> dict[str, dict[int, Part]] | None:
    """The parts of all tables as the publication has them; None where it has none, or hashed by another DuckDB."""
    import duckdb

    try:
        found = con.execute(f"SELECT * FROM published.{table_parts.NAME}").fetchall()
    except duckdb.CatalogException:
        return None
    parts: dict[str, dict[int, Part]] = {}
    for name, part, rows, digest, engine in found:
        if engine != duckdb.__version__:
            return None
        parts.setdefault(name, {})[part] = Part(rows, digest)
    return parts


def read_states(con: duckdb.DuckDBPyConnection) -> dict[str, LakeState]:
    """Return the state of each table at the last write, by name; none for an older layout. Raises LakeTooNew."""
    import duckdb

    try:
        cursor = con.execute(f"SELECT * FROM {STATE}")
    except duckdb.CatalogException:
        return {}
    names = [name for name, *_ in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    newest = max((row["layout"] for row in rows), default=LAYOUT)
    if newest > LAYOUT:
        raise LakeTooNew(
            f"the lake has layout {newest}, this tollbook writes {LAYOUT}",
            advice="run the newer tollbook, or name another lake; nothing was written",
        )
    return _states(rows) if newest == LAYOUT else {}


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Create the table of states, for a lake without one or of an older layout. Not inside a transaction: DuckLake
    gives a table its options when it is committed."""
    kind = ", ".join(f"{name} {kind}" for name, kind in _STATE_COLUMNS.items())
    con.execute(f"CREATE TABLE IF NOT EXISTS {STATE} ({kind})")
    if [name for name, _ in columns(con, STATE)] != [*_STATE_COLUMNS]:
        con.execute(f"DROP TABLE {STATE}")
        con.execute(f"CREATE TABLE {STATE} ({kind})")
    option = f"'data_inlining_row_limit', {_INLINED}, table_name => {literal(STATE_NAME)}"
    con.execute(f"CALL lake.set_option({option})")


def _states(rows: Sequence[dict[str, Any]]) -> dict[str, LakeState]:
    parts: dict[str, dict[int, Part]] = {}
    engines: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["name"], {})[row["part"]] = Part(row["rows"], row["digest"], row["newest"])
        engines.setdefault(row["name"], set()).add(row["engine"])
    return {name: LakeState(held, "/".join(sorted(engines[name]))) for name, held in parts.items()}


@dataclass(frozen=True, slots=True)
class StateChange:
    """The parts of a table that one write makes other than they were; the rest of its state stands."""

    name: str
    gone: Collection[int]
    parts: Parts


def write_states(con: duckdb.DuckDBPyConnection, changes: Collection[StateChange]) -> None:
    """Replace the states of changed parts. Two writers of one part conflict here, so one of them begins again."""
    import duckdb

    gone = [f"({literal(each.name)}, {part})" for each in changes for part in each.gone]
    if gone:
        con.execute(f"DELETE FROM {STATE} WHERE (name, part) IN ({', '.join(gone)})")
    values = [
        (each.name, number, part.rows, part.digest, part.newest, duckdb.__version__, LAYOUT)
        for each in changes
        for number, part in sorted(each.parts.items())
    ]
    if values:
        places = ", ".join([f"({', '.join('?' * len(_STATE_COLUMNS))})"] * len(values))
        con.execute(f"INSERT INTO {STATE} VALUES {places}", [value for row in values for value in row])


def columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    """Names and types of a relation's columns, in order."""
    return [(name, kind) for name, kind, *_ in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
