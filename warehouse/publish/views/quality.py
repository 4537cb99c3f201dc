"""Freshness, gaps, duplicates, quarantine, drift: facts published as tables, and views that judge them when asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from warehouse.coverage.absent import absent_cells

if TYPE_CHECKING:
    import duckdb

FACTS = (
    *("quality_datasets", "quality_held", "quality_gaps", "quality_confirmed_empty"),
    *("quality_duplicates", "quality_quarantined", "quality_drift"),
)
"""The facts, published as tables. The other quality_* names are views on these, judged when asked."""

_SPANS = "held_spans"
"""The view that facts are computed from; not published."""


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
def facts(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """The facts as temporary views on the open cache, dropped at the end: the cache opens faster without views."""
    with _absent(con):
        for statement in _statements("quality.sql"):
            con.execute(statement)
        yield
        for name in (*FACTS, _SPANS):
            con.execute(f"DROP VIEW temp.{name}")


@contextmanager
def fact_queries(con: duckdb.DuckDBPyConnection) -> Iterator[dict[str, str]]:
    """The query of each fact on the open cache, for what needs each once: a view is bound twice."""
    bodies = {}
    for statement in _statements("quality.sql"):
        head, body = statement.split(" AS\n", 1)
        bodies[head.split()[-1]] = body
    with _absent(con):
        yield {name: f"WITH {_SPANS} AS ({bodies[_SPANS]}) FROM ({bodies[name]})" for name in FACTS}


@contextmanager
def _absent(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.register("absent_cells", absent_cells(con))
    yield
    con.unregister("absent_cells")


def live_views() -> list[str]:
    """The statements that create the judging views, wherever the facts are."""
    return _statements("quality_live.sql")


def _statements(name: str) -> list[str]:
    text = files("warehouse.publish.views").joinpath(name).read_text("utf-8")
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]
