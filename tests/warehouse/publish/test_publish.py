"""The analysts' file: always whole, never in the way, brought up to date by what changed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from payer.ledger import Ledger
from tests.warehouse.books import DAY, T0, grades
from tests.warehouse.purchases import buy_history
from warehouse.audit import check
from warehouse.cache.store import Cache
from warehouse.publish import catalog as catalogue
from warehouse.publish.publish import Publication, publish
from warehouse.publish.query import query
from warehouse.snapshots.compact import compact
from warehouse.snapshots.manifest import read_manifest

FIRST = datetime(2025, 5, 1, tzinfo=T0.tzinfo)


def month(ledger: Ledger, number: int, *, at: datetime | None = None, value: float = 50.0) -> None:
    """One purchase: two tokens, ten days, each month its own window."""
    first = FIRST - 30 * DAY * number
    buy_history(ledger, grades([1, 2], first, 10, value), [1, 2], first, first + 9 * DAY, at or T0 + number * DAY)


def bring_up(home: Path, ledger: Ledger) -> Publication:
    Cache(home).load(ledger)
    return publish(home, ledger)


def count(home: Path, table: str = "grades") -> int:
    [(rows,)] = query(home, f"SELECT count(*) FROM {table}")[1]
    return int(rows)


def test_every_declared_name_is_there_before_a_row_is(tmp_path: Path, ledger: Ledger) -> None:
    bring_up(tmp_path, ledger)
    names = {name for (name,) in query(tmp_path, "SELECT table_name FROM information_schema.tables")[1]}
    for own in catalogue.tables():
        assert {own.name, own.observations} <= names
        assert query(tmp_path, f"SELECT count(*) FROM {own.name}_as_of(now())")[1] == [(0,)]
    wanted = {"costs", "avoided", "cost_by_flow", "cost_by_day", "cost_by_month", "cost_by_dataset"}
    assert wanted | {"cost_per_new_row", "open_purchases", "quarantined", "drift", "publication"} <= names


def test_what_was_bought_is_published_with_its_price(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    done = bring_up(tmp_path, ledger)
    assert (done.changed, done.deliveries, count(tmp_path), count(tmp_path, "grades_observations")) == (True, 1, 20, 20)
    sql = "SELECT amount::VARCHAR, rows_delivered, rows_new, money, verified_on_chain FROM costs"
    assert query(tmp_path, sql)[1] == [("0.020000000000000000", 20, 20, "spent", True)]
    [(spent,)] = query(tmp_path, "SELECT sum(amount_atomic)::BIGINT FROM cost_by_flow")[1]
    assert spent == sum(row.amount_atomic for row in ledger.cost_rows())


def test_nothing_new_leaves_the_file_as_it_is(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    path = bring_up(tmp_path, ledger).path
    before = (path.stat().st_ino, path.stat().st_mtime_ns)
    assert bring_up(tmp_path, ledger).changed is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before


def test_many_publications_on_three_files_in_turn_miss_nothing(tmp_path: Path, ledger: Ledger) -> None:
    """Each file gets what it missed while the two others were public; the first two turns make them."""
    for number in range(6):
        month(ledger, number)
        assert bring_up(tmp_path, ledger).deliveries == (1 if number < 2 else 3)
        assert count(tmp_path) == 20 * (number + 1)
        assert query(tmp_path, "SELECT count(*), sum(amount_atomic)::BIGINT FROM costs")[1] == [
            (number + 1, 20_000 * (number + 1))
        ]


def test_a_restated_row_is_current_once_and_kept_in_every_version(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0, value=50.0)
    bring_up(tmp_path, ledger)
    window = (FIRST, FIRST + 8 * DAY, T0 + 3 * DAY)
    buy_history(ledger, grades([1, 2], FIRST, 9, 70.0), [1, 2], *window)
    bring_up(tmp_path, ledger)
    assert (count(tmp_path), count(tmp_path, "grades_observations")) == (20, 38)
    assert query(tmp_path, "SELECT tm_grade, count(*) FROM grades GROUP BY 1 ORDER BY 1")[1] == [(50.0, 2), (70.0, 18)]
    known_then = f"SELECT DISTINCT tm_grade FROM grades_as_of(TIMESTAMPTZ '{T0 + 2 * DAY}')"
    assert query(tmp_path, known_then)[1] == [(50.0,)]


def test_a_row_leads_to_its_purchase_transaction_and_price(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    sql = "SELECT tx_hash, flow, amount::DOUBLE, amount_per_row FROM provenance('grades', '2/2025-05-03')"
    [row] = ledger.cost_rows()
    assert query(tmp_path, sql)[1] == [(row.tx_hash, "grades", 0.02, 0.001)]
    assert len(query(tmp_path, "FROM provenance('grades', '2')")[1]) == 10


def _hold(path: str, opened: object, release: object, seen: object) -> None:
    with duckdb.connect(path, read_only=True) as con:
        first = con.execute("SELECT count(*) FROM grades").fetchall()
        opened.set()  # type: ignore[attr-defined]
        release.wait()  # type: ignore[attr-defined]
        second = con.execute("SELECT count(*) FROM grades").fetchall()
        seen.put((first, second))  # type: ignore[attr-defined]


def test_a_session_held_open_keeps_its_view_and_blocks_nothing(tmp_path: Path, ledger: Ledger) -> None:
    """I7."""
    month(ledger, 0)
    path = bring_up(tmp_path, ledger).path
    context = multiprocessing.get_context("spawn")
    opened, release, seen = context.Event(), context.Event(), context.Queue()
    analyst = context.Process(target=_hold, args=(str(path), opened, release, seen))
    analyst.start()
    assert opened.wait(60)
    for number in range(1, 5):
        month(ledger, number)
        assert bring_up(tmp_path, ledger).changed
    held = publish(tmp_path, ledger).held
    assert (held.files, held.bytes > 0) == (1, True)
    release.set()
    assert seen.get(timeout=60) == ([(20,)], [(20,)])
    analyst.join(60)
    month(ledger, 5)
    assert bring_up(tmp_path, ledger).held.files == 0
    assert count(tmp_path) == 120


def test_a_reader_in_the_pipelines_own_process_is_not_written_under(tmp_path: Path, ledger: Ledger) -> None:
    """I7: POSIX locks don't hold against one's own process, so its open files are looked at."""
    month(ledger, 0)
    path = bring_up(tmp_path, ledger).path
    with duckdb.connect(str(path), read_only=True) as con:
        for number in range(1, 4):
            month(ledger, number)
            bring_up(tmp_path, ledger)
        assert con.execute("SELECT count(*) FROM grades").fetchall() == [(20,)]
    assert count(tmp_path) == 80


_ANALYST = """
import duckdb, pathlib, sys
path, stop = sys.argv[1], pathlib.Path(sys.argv[2])
sessions = 0
while not stop.exists():
    with duckdb.connect(path, read_only=True) as con:
        rows, paid, last = con.execute(
            "SELECT (SELECT count(*) FROM grades), (SELECT sum(rows_new) FROM costs), (SELECT count(*) FROM loads)"
        ).fetchall()[0]
        assert rows == 20 * last and paid == rows, (rows, paid, last)
        sessions += 1
print(sessions)
"""


def test_analysts_and_publications_do_not_notice_each_other(tmp_path: Path, ledger: Ledger) -> None:
    """I7: no error on either side and no torn read; the long form is a benchmark."""
    month(ledger, 0)
    path = bring_up(tmp_path, ledger).path
    stop = tmp_path / "stop"
    command = [sys.executable, "-c", _ANALYST, str(path), str(stop)]
    analysts = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for number in range(1, 7):
        month(ledger, number)
        assert bring_up(tmp_path, ledger).changed
    stop.touch()
    for analyst in analysts:
        out, err = analyst.communicate(timeout=60)
        assert (analyst.returncode, err) == (0, "")
        assert int(out) > 0


_PUBLISH = """
import sys
from pathlib import Path
from tests.warehouse.purchases import open_ledger
from warehouse.cache.store import Cache
from warehouse.snapshots.compact import compact
from warehouse.publish.publish import publish
home = Path(sys.argv[1])
with open_ledger(home) as ledger:
    Cache(home).load(ledger)
    what = sys.argv[2]
    compact(home, ledger, at_least=1 + (what == "compact")) if "compact" in what else publish(home, ledger)
"""


def crash(home: Path, point: str, what: str = "publish") -> None:
    """Run it in a process that kills itself at the named point."""
    env = {**os.environ, "TOLLBOOK_CRASH_AT": point, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", _PUBLISH, str(home), what], env=env, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached"


POINTS = [
    *("snapshot.written", "snapshot.before_manifest", "snapshot.after_manifest"),
    *("publish.snapshots", "publish.before_commit", "publish.before_swap", "publish.linked", "publish.after_swap"),
]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_anywhere_in_publishing_loses_nothing_and_stays_readable(
    tmp_path: Path, ledger: Ledger, point: str
) -> None:
    """I7, I8: the file is readable at once after the kill, and whole after the next run."""
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    month(ledger, 1)
    crash(tmp_path, point)
    assert count(tmp_path) in (20, 40)
    for number in (2, 3):
        month(ledger, number)
        bring_up(tmp_path, ledger)
    assert (count(tmp_path), count(tmp_path, "grades_observations")) == (80, 80)
    assert check(tmp_path / "published" / "snapshots") == []
    assert sum(file.rows for file in read_manifest(tmp_path / "published" / "snapshots").files) == 80


def parquet_rows(home: Path) -> list[tuple[object, ...]]:
    """What a reader of folders sees."""
    pattern = home / "published" / "snapshots" / "dataset=*" / "month=*" / "*.parquet"
    with duckdb.connect() as con:
        columns = "dataset, month, token_id, date, tm_grade, purchase_id"
        sql = f"SELECT {columns} FROM read_parquet('{pattern}', hive_partitioning = true)"
        return sorted(con.execute(sql).fetchall(), key=str)


def test_a_snapshot_file_carries_its_hash_and_cost(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    root = tmp_path / "published" / "snapshots"
    [file] = read_manifest(root).files
    assert (file.dataset, file.month, file.rows, file.cost) == ("tm-grade-history", "2025-05", 20, {"USDC": "0.02"})
    assert hashlib.sha256((root / file.link).read_bytes()).hexdigest() == file.sha256
    assert len(parquet_rows(tmp_path)) == 20


def test_a_run_adds_files_and_changes_none(tmp_path: Path, ledger: Ledger) -> None:
    root = tmp_path / "published" / "snapshots"
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    before = {path: path.read_bytes() for path in root.glob("dataset=*/month=*/*")}
    month(ledger, 1)
    bring_up(tmp_path, ledger)
    after = {path: path.read_bytes() for path in root.glob("dataset=*/month=*/*")}
    assert before.items() < after.items()


def test_the_checker_names_what_is_wrong(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    root = tmp_path / "published" / "snapshots"
    [file] = read_manifest(root).files
    (root / file.folder / "stray.parquet").write_bytes(b"x")
    (root / file.link).unlink()
    (root / file.content).write_bytes(b"y")
    assert sorted(fault.detail for fault in check(root)) == sorted(
        [
            f"{file.folder}/stray.parquet is not in the manifest",
            f"{file.link} is missing",
            f"{file.content} does not have the hash in the manifest",
        ]
    )


def small_files(home: Path, ledger: Ledger, runs: int) -> None:
    """One dataset's month in many files: a day a run."""
    for day in range(runs):
        when = FIRST + day * DAY
        buy_history(ledger, grades([1, 2], when, 1), [1, 2], when, when, T0 + day * DAY)
        bring_up(home, ledger)


def test_compaction_leaves_one_file_a_month_with_the_same_rows_purchases_and_cost(
    tmp_path: Path, ledger: Ledger
) -> None:
    small_files(tmp_path, ledger, 5)
    root = tmp_path / "published" / "snapshots"
    before, rows = read_manifest(root), parquet_rows(tmp_path)
    done = compact(tmp_path, ledger)
    assert (done.months, done.files_before, done.files_after) == (1, 5, 1)
    [file] = read_manifest(root).files
    assert (parquet_rows(tmp_path), check(root)) == (rows, [])
    assert (set(file.purchases), file.cost) == (before.purchases(), {"USDC": "0.1"})


def test_a_reader_of_an_older_manifest_still_finds_its_files_for_a_day(tmp_path: Path, ledger: Ledger) -> None:
    small_files(tmp_path, ledger, 3)
    root = tmp_path / "published" / "snapshots"
    older = read_manifest(root).files
    compact(tmp_path, ledger)
    assert all((root / file.content).exists() for file in older)
    bring_up(tmp_path, ledger)
    assert all((root / file.content).exists() for file in older)
    later = datetime.now(T0.tzinfo) + 2 * DAY
    assert compact(tmp_path, ledger, now=later).removed == 3
    assert not any((root / file.content).exists() for file in older)


_READER = """
import duckdb, json, pathlib, sys
root, stop, reads = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 0
con = duckdb.connect()
while not stop.exists() or not reads:
    files = json.loads((root / "_manifest.json").read_text())["files"]
    paths = [str(root / ".files" / (file["sha256"] + ".parquet")) for file in files]
    [(rows, keys)] = con.execute(
        "SELECT count(*), count(DISTINCT (token_id, date)) FROM read_parquet(?, union_by_name = true)", [paths]
    ).fetchall()
    assert rows == keys == sum(file["rows"] for file in files) and rows % 2 == 0 and rows >= 4, (rows, keys)
    reads += 1
print(reads)
"""


def test_a_reader_of_the_manifest_does_not_notice_compactions(tmp_path: Path, ledger: Ledger) -> None:
    root, stop = tmp_path / "published" / "snapshots", tmp_path / "stop"
    small_files(tmp_path, ledger, 2)
    command = [sys.executable, "-c", _READER, str(root), str(stop)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        for day in range(2, 6):
            when = FIRST + day * DAY
            buy_history(ledger, grades([1, 2], when, 1), [1, 2], when, when, T0 + day * DAY)
            bring_up(tmp_path, ledger)
            assert compact(tmp_path, ledger).files_after == 1
        stop.touch()
        out, err = reader.communicate(timeout=60)
    assert (reader.returncode, err) == (0, "")
    assert int(out) > 0


def test_compacted_rows_lie_in_the_order_of_their_key(tmp_path: Path, ledger: Ledger) -> None:
    """So that a reader of one token leaves the rest of a file unread."""
    small_files(tmp_path, ledger, 3)
    compact(tmp_path, ledger)
    [file] = read_manifest(tmp_path / "published" / "snapshots").files
    with duckdb.connect() as con:
        path = tmp_path / "published" / "snapshots" / file.content
        keys = con.execute(f"SELECT token_id, date FROM read_parquet('{path}')").fetchall()
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "point", ["snapshot.written", "compact.before_manifest", "compact.after_manifest", "compact.after_exchange"]
)
def test_a_kill_anywhere_in_compaction_loses_no_row(tmp_path: Path, ledger: Ledger, point: str) -> None:
    small_files(tmp_path, ledger, 3)
    rows = parquet_rows(tmp_path)
    crash(tmp_path, point, "compact")
    compact(tmp_path, ledger)
    assert (parquet_rows(tmp_path), check(tmp_path / "published" / "snapshots")) == (rows, [])


def test_a_damaged_published_file_is_made_anew(tmp_path: Path, ledger: Ledger) -> None:
    """I8."""
    for number in range(2):
        month(ledger, number)
        path = bring_up(tmp_path, ledger).path
    path.write_bytes(b"not a database")
    for other in (path.parent / ".private").glob("*.duckdb"):
        other.write_bytes(b"nor this")
    assert bring_up(tmp_path, ledger).changed
    assert count(tmp_path) == 40


def test_a_file_made_anew_shows_the_same_and_replaces_the_old_one_at_once(tmp_path: Path, ledger: Ledger) -> None:
    """I8."""
    for number in range(2):
        month(ledger, number)
        path = bring_up(tmp_path, ledger).path
    before = path.stat().st_ino
    shown = query(tmp_path, "FROM grades ORDER BY ALL")[1], query(tmp_path, "FROM costs ORDER BY ALL")[1]
    assert publish(tmp_path, ledger, anew=True).deliveries == 2
    assert path.stat().st_ino != before
    assert shown == (query(tmp_path, "FROM grades ORDER BY ALL")[1], query(tmp_path, "FROM costs ORDER BY ALL")[1])


def test_the_manifest_is_plain_json(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    document = json.loads((tmp_path / "published" / "snapshots" / "_manifest.json").read_text())
    assert set(document) == {"version", "files", "retired", "build", "rewinds"}
