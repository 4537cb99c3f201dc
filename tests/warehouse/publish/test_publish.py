"""The analysts' file: always whole, never in the way, brought up to date by what changed."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from payer.ledger import Ledger
from tests.scale import SCALE
from tests.warehouse.deliveries import DAY, T0, grades
from tests.warehouse.publications import FIRST, bring_up, count, crash, month
from tests.warehouse.purchases import buy_history
from warehouse.audit import check_snapshots
from warehouse.cache.tables import declared_tables
from warehouse.publish.publish import publish
from warehouse.query import query
from warehouse.snapshots.manifest import read_manifest


def test_every_declared_name_is_there_before_a_row_is(tmp_path: Path, ledger: Ledger) -> None:
    bring_up(tmp_path, ledger)
    names = {name for (name,) in query(tmp_path, "SELECT table_name FROM information_schema.tables")[1]}
    for own in declared_tables().values():
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
    assert query(tmp_path, sql)[1] == [(row.tx_hash, "grades", 0.02, Decimal("0.001"))]
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
import duckdb, pathlib, sys, time
path, stop = sys.argv[1], pathlib.Path(sys.argv[2])
sessions = 0
while not stop.exists():
    with duckdb.connect(path, read_only=True) as con:
        rows, paid, last = con.execute(
            "SELECT (SELECT count(*) FROM grades), (SELECT sum(rows_new) FROM costs), (SELECT count(*) FROM loads)"
        ).fetchall()[0]
        assert rows == 20 * last and paid == rows, (rows, paid, last)
        sessions += 1
    time.sleep(0.1)  # a session that spins takes the processor from the publications it should meet
print(sessions)
"""


def test_analysts_and_publications_do_not_notice_each_other(tmp_path: Path, ledger: Ledger) -> None:
    """I7: no error on either side and no torn read; the long form is a benchmark."""
    month(ledger, 0)
    path = bring_up(tmp_path, ledger).path
    stop = tmp_path / "stop"
    command = [sys.executable, "-c", _ANALYST, str(path), str(stop)]
    pipe = subprocess.PIPE
    analysts = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(1 + SCALE)]
    for number in range(1, 7):
        month(ledger, number)
        assert bring_up(tmp_path, ledger).changed
    stop.touch()
    for analyst in analysts:
        out, err = analyst.communicate(timeout=60)
        assert (analyst.returncode, err) == (0, "")
        assert int(out) > 0


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
    assert check_snapshots(tmp_path / "published" / "snapshots") == []
    assert sum(file.rows for file in read_manifest(tmp_path / "published" / "snapshots").files) == 80


def test_a_damaged_published_file_is_rebuilt(tmp_path: Path, ledger: Ledger) -> None:
    """I8."""
    for number in range(2):
        month(ledger, number)
        path = bring_up(tmp_path, ledger).path
    path.write_bytes(b"not a database")
    for other in (path.parent / ".private").glob("*.duckdb"):
        other.write_bytes(b"nor this")
    assert bring_up(tmp_path, ledger).changed
    assert count(tmp_path) == 40


def test_a_rebuilt_file_shows_the_same_and_replaces_the_old_one_at_once(tmp_path: Path, ledger: Ledger) -> None:
    """I8."""
    for number in range(2):
        month(ledger, number)
        path = bring_up(tmp_path, ledger).path
    before = path.stat().st_ino
    shown = query(tmp_path, "FROM grades ORDER BY ALL")[1], query(tmp_path, "FROM costs ORDER BY ALL")[1]
    assert publish(tmp_path, ledger, rebuild=True).deliveries == 2
    assert path.stat().st_ino != before
    assert shown == (query(tmp_path, "FROM grades ORDER BY ALL")[1], query(tmp_path, "FROM costs ORDER BY ALL")[1])
