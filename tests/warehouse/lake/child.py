"""Scenarios of the lake, run by the DuckDB that has its extensions: `python child.py SCENARIO FOLDER`, JSON on stdout.

A publication is made here as far as the lake reads one: four rows of grades, versions, loads, costs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from warehouse.errors import LakeError
from warehouse.lake import sync as syncing
from warehouse.lake.connect import LakeAddress, install, opened, read_address
from warehouse.lake.sync import tidy
from warehouse.lake.tables import LakeState, published_tables
from warehouse.publish.views import table_parts

Connection = duckdb.DuckDBPyConnection
TRUSTED = {"allow_unsigned_extensions": "true"}
"""DuckDB computes the signatures of 80 MB each time that a lake is opened, which takes longer than most scenarios."""


def without_pandas() -> None:
    """Let there be none: DuckDB would import it to look whether a value that is bound is of it, and that takes longest
    of all."""
    sys.modules["pandas"] = None  # type: ignore[assignment]


FIRST = ((1, "2026-11-01", 70.5, 1), (2, "2026-11-01", 61.0, 1), (3, "2026-11-01", 12.25, 1))
RESTATED = ((1, "2026-11-01", 71.0, 2), *FIRST[1:], (4, "2026-11-01", 55.0, 2))
WITHOUT_THE_THIRD = (*RESTATED[:2], RESTATED[3])
"""Token, day, grade, load. In the third publication a row has ended and nothing was loaded."""


def publish(
    path: Path, rows: tuple[tuple[int, str, float, int], ...], *, width: int = table_parts.LOADS, tx: str = "0x"
) -> None:
    """Write a publication of these rows; every load cost 17,000 atomic units, in a transaction whose hash begins with
    `tx`. A part has `width` loads."""
    table_parts.LOADS = width
    path.unlink(missing_ok=True)
    loads = sorted({row[3] for row in rows})
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(
            "CREATE TABLE grades (token_id BIGINT, date DATE, tm_grade DOUBLE, purchase_id VARCHAR, "
            "observed_at TIMESTAMPTZ, row_hash UBIGINT, seq BIGINT, extras VARCHAR)"
        )
        con.execute("COMMENT ON COLUMN grades.tm_grade IS 'The grade, 0 to 100.'")
        for token, day, grade, load in rows:
            values = [token, day, grade, f"p{load}", f"2026-11-0{load} 06:15:00+00", token * 1000 + load, load]
            con.execute("INSERT INTO grades VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", values)
        con.execute("CREATE TABLE grades_versions AS SELECT *, observed_at AS valid_from FROM grades")
        con.execute("CREATE TABLE never_bought AS SELECT * FROM grades LIMIT 0")
        con.execute("CREATE TABLE never_bought_versions AS SELECT * FROM grades LIMIT 0")
        con.execute("CREATE TABLE avoided (seq BIGINT)")
        con.execute(
            "CREATE VIEW published_tables AS SELECT unnest(['grades', 'never_bought', 'avoided']) AS table_name, "
            "['token_id', 'date'] AS natural_key"
        )
        con.execute(
            "CREATE TABLE loads AS SELECT 'p' || s AS purchase_id, s AS seq, 'tm-grade' AS dataset, 4 AS rows_in, "
            "4 AS rows_new, 0 AS rows_changed, 0 AS rows_quarantined, "
            "TIMESTAMPTZ '2026-11-01 06:15:00+00' + INTERVAL 1 HOUR * s AS observed_at FROM unnest(?::BIGINT[]) t(s)",
            [loads],
        )
        con.execute(
            "CREATE TABLE costs AS SELECT purchase_id, 'token-metrics' AS seller, 'grades' AS flow, 'GET' AS request, "
            "'final' AS edition, 'eip155:31337' AS network, 'USDC' AS asset, 17000::DECIMAL(38,0) AS amount_atomic, "
            "0.017::DECIMAL(38,18) AS amount, '0xa' AS wallet, '0xb' AS payee, '0xc' AS nonce, "
            f"'{tx}' || seq AS tx_hash, seq AS block_number, observed_at AS block_time, true AS verified_on_chain, "
            "observed_at AS created_at "
            "FROM loads"
        )
        con.execute(
            "CREATE TABLE publication AS SELECT 6 AS layout, 'mark' AS ledger_mark, ?::BIGINT AS ledger_seq, "
            "now() AS published_at",
            [loads[-1]],
        )
        measured = " UNION ALL ".join(
            f"SELECT '{name}' AS table_name, {table_parts.number(name)} // {table_parts.width(name)} AS part, "
            f"count(*) AS rows, bit_xor(hash(p)) AS digest, '{duckdb.__version__}' AS engine "
            f"FROM ({table_parts.source(name, 'main')}) p GROUP BY ALL"
            for name in ("grades", "grades_versions", *table_parts.OF_PURCHASES)
        )
        con.execute(f"CREATE TABLE table_parts AS {measured}")


def rows_of(con: Connection, table: str, at: str = "") -> list[list[Any]]:
    found = con.execute(f"SELECT token_id, tm_grade, seq FROM lake.{table}{at} ORDER BY token_id").fetchall()
    return [list(row) for row in found]


def changes(done: syncing.Synced) -> dict[str, list[int]]:
    return {change.name: [change.rows, change.removed, change.added] for change in done.changes}


def three_publications(address: LakeAddress, path: Path) -> dict[str, Any]:
    """Each written, the second twice; what changed, what stands there, and the first one as of its snapshot."""
    said: dict[str, Any] = {"changes": [], "rows": [], "differs": []}
    snapshots = []
    for rows in (FIRST, RESTATED, WITHOUT_THE_THIRD):
        publish(path, rows)
        with opened(address, path, os.environ) as con:
            done = syncing.sync(con, address)
            said["changes"].append(changes(done))
            said["rows"].append(rows_of(con, "grades"))
            said["differs"].append(syncing.verify(con))
            snapshots.append(done.snapshot)
            if rows is RESTATED:
                again = syncing.sync(con, address)
                said["again"] = [changes(again), again.snapshot == done.snapshot]
    with opened(address, path, os.environ) as con:
        said["earlier"] = rows_of(con, "grades", f" AT (VERSION => {snapshots[0]})")
        said["names"] = [table.name for table in published_tables(con)]
        said["provenance"] = con.execute(
            "SELECT purchase_id, amount_atomic::BIGINT, tx_hash FROM lake.provenance ORDER BY ALL"
        ).fetchall()
        said["comment"] = con.execute(
            "SELECT comment FROM duckdb_columns() WHERE database_name = 'lake' AND table_name = 'grades' "
            "AND column_name = 'tm_grade'"
        ).fetchall()
        said["message"] = con.execute(
            f"SELECT author, commit_message FROM ducklake_snapshots('lake') WHERE snapshot_id = {snapshots[-1]}"
        ).fetchall()
        done = tidy(con)
        said["tidied"] = done.files_after <= done.files_before and syncing.verify(con) == []
    return said


def before_commit(then: Callable[[], None]) -> None:
    """Let a write do this once all of its tables are written."""
    write_states = syncing.write_states

    def written(con: Connection, states: Mapping[str, LakeState]) -> None:
        write_states(con, states)
        then()

    syncing.write_states = written


def killed(address: LakeAddress, path: Path) -> dict[str, Any]:
    """The process dies with all tables written and nothing committed. `after` is told by the next one."""
    publish(path, FIRST)
    with opened(address, path, os.environ) as con:
        syncing.sync(con, address)
    publish(path, RESTATED)
    with opened(address, path, os.environ) as con:
        before_commit(lambda: os._exit(9))
        syncing.sync(con, address)
    raise AssertionError("it lives")


def after_the_kill(address: LakeAddress, path: Path) -> dict[str, Any]:
    with opened(address, path, os.environ) as con:
        before = rows_of(con, "grades")
        done = syncing.sync(con, address)
        return {
            "before": before,
            "changes": changes(done),
            "rows": rows_of(con, "grades"),
            "differs": syncing.verify(con),
        }


def two_writers(address: LakeAddress, path: Path) -> dict[str, Any]:
    """The second writes and commits all while the first is about to commit."""
    publish(path, FIRST)
    with opened(address, path, os.environ) as con:
        syncing.sync(con, address)
    publish(path, RESTATED)
    others: list[Any] = []

    def meanwhile() -> None:
        if not others:
            others.append(None)
            with opened(address, path, os.environ) as other:
                others[0] = changes(syncing.sync(other, address))

    before_commit(meanwhile)
    with opened(address, path, os.environ) as con:
        done = syncing.sync(con, address)
        [(states,)] = con.execute("SELECT count(*) FROM lake.tollbook_tables").fetchall()
        return {
            "first": changes(done),
            "second": others[0],
            "rows": rows_of(con, "grades"),
            "states": states,
            "differs": syncing.verify(con),
        }


def spoiled(address: LakeAddress, path: Path) -> dict[str, Any]:
    """Somebody deleted a row in the lake by hand, or changed one: the next thorough write restores it."""
    publish(path, FIRST)
    said: dict[str, Any] = {}
    with opened(address, path, os.environ) as con:
        syncing.sync(con, address)
        for name, harm in (
            ("deleted", "DELETE FROM lake.grades WHERE token_id = 2"),
            ("changed", "UPDATE lake.grades_versions SET tm_grade = 99 WHERE token_id = 2"),
            ("dropped", "DROP TABLE lake.costs"),
        ):
            con.execute(harm)
            differs = syncing.verify(con)
            quick = changes(syncing.sync(con, address))
            thorough = changes(syncing.sync(con, address, thorough=True))
            said[name] = {"differs": differs, "quick": quick, "thorough": thorough, "after": syncing.verify(con)}
    return said


class Listening:
    """A connection that keeps what it is asked."""

    def __init__(self, con: Connection) -> None:
        self.con, self.asked = con, list[str]()

    def execute(self, query: str, *values: Any) -> Connection:
        self.asked.append(query)
        return self.con.execute(query, *values)


def pages(address: LakeAddress, path: Path) -> dict[str, Any]:
    """Pages of new rows, far apart in the ledger; then a restatement of the oldest; what the lake is asked."""
    old, new = (1, "2026-11-01", 70.5, 1), (2, "2026-11-01", 61.0, 5)
    first = tuple((token, "2026-11-01", 12.25, 3) for token in range(10, 30))
    said: dict[str, Any] = {"changes": [], "reads": [], "measured": [], "differs": []}
    for rows in ((old, *first), (old, *first, new), ((1, "2026-11-01", 71.0, 7), *first, new)):
        publish(path, rows, width=2)
        with opened(address, path, os.environ) as con:
            listening = Listening(con)
            done = syncing.sync(listening, address)  # type: ignore[arg-type]
            said["changes"].append(changes(done))
            said["reads"].append([each for each in listening.asked if "FROM lake." in each])
            said["measured"].append([each for each in listening.asked if "bit_xor" in each and "WHERE true" in each])
            said["differs"].append(syncing.verify(con))
    return said


def settles_later(address: LakeAddress, path: Path) -> dict[str, Any]:
    """The same rows, whose purchases have got their transactions since."""
    said: dict[str, Any] = {}
    for moment, tx in (("before", "0x"), ("after", "0xf")):
        publish(path, FIRST, tx=tx)
        with opened(address, path, os.environ) as con:
            said[moment] = changes(syncing.sync(con, address))
            said["differs"] = syncing.verify(con)
            said["traced"] = con.execute("SELECT tx_hash FROM lake.provenance").fetchall()
    return said


def another_digest(address: LakeAddress, path: Path) -> dict[str, Any]:
    """The publication's digests are of another DuckDB, then missing, then wrong: rows decide each time."""
    said: dict[str, Any] = {"changes": [], "differs": []}
    for rows, harm in (
        (FIRST, "UPDATE table_parts SET engine = 'v0', digest = 1"),
        (RESTATED, "DROP TABLE table_parts"),
        (WITHOUT_THE_THIRD, "UPDATE table_parts SET digest = 1"),
        (FIRST, "DELETE FROM table_parts"),
    ):
        publish(path, rows)
        with duckdb.connect(str(path)) as con:
            con.execute(harm)
        with opened(address, path, os.environ) as con:
            said["changes"].append(changes(syncing.sync(con, address)).get("grades"))
            said["differs"].append(syncing.verify(con))
    return said


def older(address: LakeAddress, path: Path) -> dict[str, Any]:
    """A lake as the first layout had it is written again, and its states are forgotten."""
    publish(path, FIRST)
    with opened(address, path, os.environ) as con:
        con.execute("CREATE TABLE lake.tollbook_tables (name VARCHAR, rows BIGINT, layout INTEGER)")
        con.execute("INSERT INTO lake.tollbook_tables VALUES ('grades', 3, 1)")
        for name in ("grades", "publication"):
            con.execute(f"CREATE TABLE lake.{name} AS FROM published.{name}")
        done = syncing.sync(con, address)
        [(shown,)] = con.execute("SELECT count(*) FROM lake.publication").fetchall()
        return {
            "changes": changes(done),
            "rows": rows_of(con, "grades"),
            "shown": shown,
            "differs": syncing.verify(con),
        }


def newer(address: LakeAddress, path: Path) -> dict[str, Any]:
    publish(path, FIRST)
    with opened(address, path, os.environ) as con:
        syncing.sync(con, address)
        con.execute("UPDATE lake.tollbook_tables SET lake_layout = lake_layout + 1")
        return refused(lambda: syncing.sync(con, address))


def first_write(address: LakeAddress, path: Path) -> dict[str, Any]:
    """One write, or what keeps it from being made."""
    publish(path, FIRST)
    return refused(lambda: _written(address, path))


def catalog_gone(address: LakeAddress, path: Path) -> dict[str, Any]:
    """PostgreSQL goes away in a write, early and late, then late for a moment only."""
    publish(path, FIRST)
    said = {}
    for name, back in (("published_tables", False), ("write_states", False), ("write_states", True)):
        meant, left = getattr(syncing, name), [back]

        def leave(*given: Any, meant: Callable[..., Any] = meant, left: list[bool] = left) -> Any:
            done = meant(*given)
            if left:
                _leave(address, back=left.pop())
            return done

        setattr(syncing, name, leave)
        said[f"{name}, {'back' if back else 'away'}"] = refused(lambda: _written(address, path))
        setattr(syncing, name, meant)
        _admit(address)
    return said


def _leave(address: LakeAddress, *, back: bool) -> None:
    """End every session of the catalog, and unless it is back at once, admit none until `_admit`."""
    name = address.catalog.partition("?")[0].rpartition("/")[2]
    _execute(address, f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(back).lower()}")
    _execute(address, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def _admit(address: LakeAddress) -> None:
    name = address.catalog.partition("?")[0].rpartition("/")[2]
    _execute(address, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def _execute(address: LakeAddress, statement: str) -> None:
    base, _, query = address.catalog.partition("?")
    with duckdb.connect() as con:
        con.load_extension("postgres")
        con.execute(f"ATTACH '{base.rpartition('/')[0]}/postgres?{query}' AS server (TYPE postgres)")
        con.execute("CALL postgres_execute('server', ?)", [statement])


def _written(address: LakeAddress, path: Path) -> dict[str, Any]:
    with opened(address, path, os.environ) as con:
        syncing.sync(con, address)
        return {"rows": rows_of(con, "grades"), "differs": syncing.verify(con)}


def installed(address: LakeAddress, _path: Path) -> dict[str, Any]:
    return refused(lambda: {"installed": install(address)})


def refused(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        found = work()
    except LakeError as error:
        return {"error": type(error).__name__, "said": str(error), "advice": error.advice}
    return dict(found)


if __name__ == "__main__":
    name, folder = sys.argv[1:3]
    without_pandas()
    if name != "first_write":
        duckdb.connect = partial(duckdb.connect, config=TRUSTED)
    print(json.dumps(globals()[name](read_address(os.environ), Path(folder) / "warehouse.duckdb")))
