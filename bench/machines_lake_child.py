"""A page's rows into a lake, ours and DuckDB's own INSERT in turn, by the DuckDB that has the extensions.

`python -m bench.machines_lake_child FOLDER ROWS` prints the seconds of each turn as JSON, processor and wall clock.
Both write the same rows of the published file, of grades, their versions, costs, provenance and the publication, in one
transaction of a connection that was opened for it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from warehouse.lake.connect import LakeAddress, opened, read_address
from warehouse.lake.sync import sync, verify
from warehouse.publish.views import table_parts

TURNS, WARM = 15, 3
PAGE, EVENTS, PER_DAY = 100, 4, 1000
TABLES = ("grades", "grades_versions", "costs", "provenance", "publication")

_ROW = f"""
SELECT n // {PAGE} AS token_id, 'Token ' || n // {PAGE} AS token_name,
       DATE '2015-01-01' + (n % {PAGE})::INTEGER AS date,
       hash(n) % 10000 / 100.0 AS tm_grade, hash(n) % 100 / 10.0 AS fundamental_grade, 'Buy' AS tm_grade_signal,
       TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL 1 DAY * (n // {PAGE} // {PER_DAY}) AS observed_at,
       'p-' || n // {PAGE} AS purchase_id, 'tm-grade-history' AS dataset, hash(n) AS row_hash,
       n // {PAGE} * {EVENTS} + 3 AS seq, true AS is_final FROM range(?, ?) r(n)
"""
_COSTS = """
SELECT 'p-' || p AS purchase_id, 'token-metrics' AS seller, 'grades' AS flow, 'GET /v2/tm-grade-history?token=' || p AS
  request, 'final' AS edition, 'eip155:8453' AS network, 'USDC' AS asset, 17000::DECIMAL(38, 0) AS amount_atomic,
  0.017::DECIMAL(38, 18) AS amount, '0xa' AS wallet, '0xb' AS payee, md5('n' || p) AS nonce, md5('t' || p) AS tx_hash,
  p AS block_number, TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL 1 SECOND * (p * 86) AS created_at,
  created_at AS block_time, true AS verified_on_chain FROM range(?, ?) r(p)
"""


def add_pages(path: Path, first: int, last: int) -> None:
    """Publish pages as the publisher does: rows, their purchases, and the digests carried along."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{path}' AS pub")
        con.execute("BEGIN")
        for name, source, width in (("grades", _ROW, PAGE), ("ledger_costs", _COSTS, 1)):
            con.execute(f"CREATE TABLE IF NOT EXISTS pub.{name} AS FROM ({source}) LIMIT 0", [0, 0])
            con.execute(f"CREATE OR REPLACE TEMP TABLE new_{name} AS {source}", [first * width, last * width])
        con.execute(
            "CREATE TABLE IF NOT EXISTS pub.grades_versions AS SELECT *, observed_at AS valid_from FROM pub.grades"
        )
        con.execute(
            "CREATE TABLE IF NOT EXISTS pub.loads (purchase_id VARCHAR, dataset VARCHAR, rows_in BIGINT, "
            "rows_new BIGINT, rows_changed BIGINT, rows_quarantined BIGINT, observed_at TIMESTAMPTZ)"
        )
        if not first:
            table_parts.create(con)
        con.execute("USE pub")
        con.execute("CREATE VIEW IF NOT EXISTS costs AS FROM ledger_costs")
        con.execute("USE memory")
        con.execute("COMMIT")
        con.execute("BEGIN")
        touched = "SEMI JOIN new_grades k ON p.token_id = k.token_id AND p.date = k.date" if first else ""
        with table_parts.carried(con, ["grades", "grades_versions"], touched):
            con.execute("INSERT INTO pub.grades FROM new_grades")
            con.execute("INSERT INTO pub.grades_versions SELECT *, observed_at FROM new_grades")
        of_purchases = "SEMI JOIN new_ledger_costs k ON p.purchase_id = k.purchase_id"
        with table_parts.carried(con, table_parts.OF_PURCHASES, of_purchases):
            con.execute("INSERT INTO pub.ledger_costs FROM new_ledger_costs")
            con.execute(
                "INSERT INTO pub.loads SELECT purchase_id, 'tm-grade-history', 100, 100, 0, 0, created_at "
                "FROM new_ledger_costs"
            )
        con.execute(
            "CREATE OR REPLACE TABLE pub.publication AS SELECT 6 AS layout, 'mark' AS ledger_mark, "
            f"{last} AS ledger_seq, now() AS published_at"
        )
        con.execute("COMMIT")
        con.execute("USE pub")
        con.execute(
            "CREATE VIEW IF NOT EXISTS published_tables AS "
            "SELECT 'grades' AS table_name, ['token_id', 'date'] AS natural_key"
        )
        con.execute("CHECKPOINT pub")


def plain_insert(con: duckdb.DuckDBPyConnection, page: int) -> None:
    """The peer: the same rows of the published file, inserted by DuckDB."""
    con.execute("BEGIN")
    for name in TABLES:
        source = table_parts.source(name, "published")
        chosen = {"publication": ""}.get(name, f"WHERE purchase_id = 'p-{page}'")
        con.execute(f"INSERT INTO lake.plain_{name} SELECT * FROM ({source}) {chosen}")
    con.execute("COMMIT")


def measured(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the processor, and by the wall clock."""
    usage, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime, wall


def compare(address: LakeAddress, path: Path, history: int) -> dict[str, Any]:
    pages = history // PAGE
    add_pages(path, 0, pages)
    with opened(address, path, os.environ) as con:
        sync(con, address)
        for name in TABLES:
            con.execute(f"CREATE TABLE lake.plain_{name} AS FROM lake.{name} LIMIT 0")
    ours, theirs = [], []
    for page in range(pages, pages + WARM + TURNS):
        add_pages(path, page, page + 1)
        with opened(address, path, os.environ) as con:
            ours.append(measured(lambda con=con: sync(con, address)))  # type: ignore[misc]
        with opened(address, path, os.environ) as con:
            theirs.append(measured(lambda con=con, page=page: plain_insert(con, page)))  # type: ignore[misc]
    with opened(address, path, os.environ) as con:
        differs = verify(con)
    return {"ours": ours[WARM:], "theirs": theirs[WARM:], "differs": differs}


if __name__ == "__main__":
    folder, history = Path(sys.argv[1]), int(sys.argv[2])
    print(json.dumps(compare(read_address(os.environ), folder / "warehouse.duckdb", history)))
