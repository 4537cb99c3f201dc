"""Freshness, gaps, duplicates, quarantine, drift: facts published as tables, and views that judge them when asked. And
restatements, values that changed after their row had settled: a view of all versions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from sources.model import Dataset, Kind
from sources.registry import dataset
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.coverage.held import absent_cells
from warehouse.publish.views.money import row_key

if TYPE_CHECKING:
    import duckdb

FACTS = (
    *("quality_datasets", "quality_held", "quality_gaps", "quality_confirmed_empty"),
    *("quality_duplicates", "quality_quarantined", "quality_drift"),
)
"""The facts, published as tables. The other quality_* names are views on these, judged when asked."""

_SPANS = "held_spans"
"""The rows that facts are computed from; not published."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Data that schedules keep fresh: (dataset, time of a run) some weeks around now, and (dataset, key) requested."""

    fires: Collection[tuple[str, datetime]]
    keys: Collection[tuple[str, str]]


def expect(con: duckdb.DuckDBPyConnection, expected: Expected) -> None:
    """Keep in the cache what is expected from now on."""
    import pyarrow as pa

    fires = {"dataset": [name for name, _ in expected.fires], "fires_at": [when for _, when in expected.fires]}
    keys = {"dataset": [name for name, _ in expected.keys], "key": [key for _, key in expected.keys]}
    schema = pa.schema({"dataset": pa.string(), "fires_at": pa.timestamp("us", "UTC")})
    con.register("fires_now", pa.table(fires, schema))
    con.register("keys_now", pa.table(keys, pa.schema({"dataset": pa.string(), "key": pa.string()})))
    con.execute("BEGIN")
    con.execute("CREATE OR REPLACE TABLE scheduled AS FROM fires_now")
    con.execute("CREATE OR REPLACE TABLE watched AS SELECT DISTINCT * FROM keys_now")
    con.execute("COMMIT")
    con.unregister("fires_now")
    con.unregister("keys_now")


@contextmanager
def fact_queries(con: duckdb.DuckDBPyConnection) -> Iterator[dict[str, str]]:
    bodies = {}
    for statement in _statements("quality.sql"):
        head, body = statement.split(" AS\n", 1)
        bodies[head.split()[-1]] = body
    con.register("absent_cells", absent_cells(con))
    yield {name: f"WITH {_SPANS} AS ({bodies[_SPANS]}) FROM ({bodies[name]})" for name in FACTS}
    con.unregister("absent_cells")


def live_views() -> list[str]:
    """The statements that create the judging views, wherever the facts are."""
    return _statements("quality_live.sql")


def _statements(name: str) -> list[str]:
    text = files("warehouse.publish.views").joinpath(name).read_text("utf-8")
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


_EMPTY = """SELECT NULL::VARCHAR AS table_name, NULL::VARCHAR AS dataset, NULL::VARCHAR AS row_key,
       NULL::VARCHAR AS column_name, NULL::VARCHAR AS before, NULL::VARCHAR AS after,
       NULL::TIMESTAMPTZ AS seen_before, NULL::TIMESTAMPTZ AS seen_at, NULL::VARCHAR AS purchase_id WHERE false"""


def restatements_sql() -> str:
    """One row per changed value: what it was and is, when each was seen, and the purchase that brought it.

    A row that was seen before its slot's end and the declared settling time was still moving: that is no restatement.
    Nor is what happens to rows without slots, such as open picks, or to lists of now.
    """
    parts = [_of_table(table) for table in declared_tables().values() if _settles(table)]
    body, order = "\nUNION ALL\n".join([_EMPTY, *parts]), "seen_at DESC, table_name, row_key, column_name"
    return f"CREATE OR REPLACE VIEW quality_restatements AS\n{body}\nORDER BY {order}"


def _settles(table: Table) -> bool:
    members = [dataset(name) for name in table.datasets]
    return all(each.kind is not Kind.REFERENCE and each.rows_per_cell is not None for each in members)


def _of_table(table: Table) -> str:
    key, time = column_list(table.natural_key), quoted(table.time_column)
    changes = ", ".join(_change(name) for name in table.compared)
    settled = " ".join(f"WHEN {literal(name)} THEN {_settled(dataset(name), time)}" for name in table.datasets)
    return f"""SELECT {literal(table.name)}, dataset, row_key, change.column_name, change.before, change.after,
       seen_before, observed_at, purchase_id
FROM (
    SELECT dataset, {row_key(table)} AS row_key, observed_at, purchase_id,
           lag(observed_at) OVER versions AS seen_before,
           CASE lag(dataset) OVER versions {settled} END AS settled_at, unnest([{changes}]) AS change
    FROM {quoted(table.observations)} SEMI JOIN (
        SELECT {key} FROM {quoted(table.observations)} GROUP BY ALL HAVING count(*) > 1) USING ({key})
    WINDOW versions AS (PARTITION BY {key} ORDER BY observed_at, seq))
WHERE epoch(seen_before) >= settled_at AND change.before IS DISTINCT FROM change.after"""


def _settled(dataset: Dataset, time: str) -> str:
    """Unix seconds at which a row of the dataset has settled."""
    return f"(epoch({time})::BIGINT // {dataset.grain} + 1) * {dataset.grain} + {dataset.settle}"


def _change(name: str) -> str:
    value = quoted(name)
    return (
        f"struct_pack(column_name := {literal(name)}, before := (lag({value}) OVER versions)::VARCHAR, "
        f"after := {value}::VARCHAR)"
    )
