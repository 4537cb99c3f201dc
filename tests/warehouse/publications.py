"""Buy small months, load and publish them: steps that tests of publishing share."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from pathlib import Path

import duckdb

from payer.ledger import Ledger
from tests.prepared_processes import PREPARED
from tests.warehouse.deliveries import DAY, T0, grades
from tests.warehouse.purchases import buy_history, open_ledger
from warehouse.cache.store import Cache
from warehouse.cache.tables import declared_tables
from warehouse.load.self_repair import load
from warehouse.publish.publication import Publication
from warehouse.publish.publish import compact, publish
from warehouse.publish.views import row_versions, table_parts
from warehouse.query import query

FIRST = datetime(2025, 5, 1, tzinfo=T0.tzinfo)


def month(ledger: Ledger, number: int, *, at: datetime | None = None, value: float = 50.0) -> None:
    """One purchase: two tokens, ten days, each month its own window."""
    first = FIRST - 30 * DAY * number
    buy_history(ledger, grades([1, 2], first, 10, value), [1, 2], first, first + 9 * DAY, at or T0 + number * DAY)


def bring_up(home: Path, ledger: Ledger) -> Publication:
    load(Cache(home), ledger)
    return publish(home, ledger)


def count(home: Path, table: str = "grades") -> int:
    [(rows,)] = query(home, f"SELECT count(*) FROM {table}")[1]
    return int(rows)


def crash(home: Path, point: str, what: str = "publish") -> None:
    """Run it in a process that kills itself at the named point."""
    child = PREPARED.Process(target=_load_and, args=(what, home, point))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL, f"{point} was not reached"


def _load_and(what: str, home: Path, point: str) -> None:
    os.environ["TOLLBOOK_CRASH_AT"] = point
    with open_ledger(home) as ledger:
        load(Cache(home), ledger)
        compact(home, ledger, at_least=1 + (what == "compact")) if "compact" in what else publish(home, ledger)


def parquet_rows(home: Path) -> list[tuple[object, ...]]:
    """The files that a reader of folders sees."""
    pattern = home / "published" / "snapshots" / "dataset=*" / "month=*" / "*.parquet"
    with duckdb.connect() as con:
        columns = "dataset, month, token_id, date, tm_grade, purchase_id"
        sql = f"SELECT {columns} FROM read_parquet('{pattern}', hive_partitioning = true)"
        return sorted(con.execute(sql).fetchall(), key=str)


Parts = list[tuple[str, int, int, int]]


def parts_carried_and_measured(home: Path) -> tuple[Parts, Parts]:
    """The tables' parts as the public file has them, and as its rows make them."""
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        said = con.execute("SELECT table_name, part, rows, digest FROM table_parts ORDER BY ALL").fetchall()
        assert con.execute("SELECT DISTINCT engine FROM table_parts").fetchall() == [(duckdb.__version__,)]
        measured = []
        for table in declared_tables().values():
            for name in (table.name, row_versions.name_of(table)):
                part = f"seq // {table_parts.LOADS}"
                query = f"SELECT '{name}', {part}, count(*), bit_xor(hash(p)) FROM {name} p GROUP BY ALL"
                measured += con.execute(query).fetchall()
        for name, time in (("costs", "created_at"), ("provenance", "observed_at")):
            rows, day = table_parts.source(name, "main"), f"{time}::DATE - DATE '1970-01-01'"
            query = f"SELECT '{name}', {day}, count(*), bit_xor(hash(p)) FROM ({rows}) p GROUP BY ALL"
            measured += con.execute(query).fetchall()
    return said, sorted(measured)


def assert_parts_carried(home: Path) -> None:
    said, measured = parts_carried_and_measured(home)
    assert said
    assert said == measured
