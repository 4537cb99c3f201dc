"""Published rows follow a cache that loads rows again or is rebuilt; costs follow a ledger that was restored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from payer.ledger import Ledger
from payer.ledger.backup import backup, restore
from payer.values.purchase import Purchase
from sources.model import Cast, Column, Dataset
from tests.warehouse.deliveries import DAY, T0, body, grade
from tests.warehouse.publications import FIRST, assert_parts_carried, bring_up, count, month
from tests.warehouse.purchases import buy_history, open_ledger
from warehouse.audit import check_snapshots
from warehouse.publish import costs
from warehouse.query import query
from warehouse.snapshots.manifest import read_manifest

pytestmark = pytest.mark.usefixtures("with_lake")

HOUR = timedelta(hours=1)


def observe(ledger: Ledger, hours: int, value: float, window: int, **more: Any) -> Purchase:
    """One token's day, seen so many hours after T0, by a request of its own."""
    rows = body(grade(1, FIRST, value, **more))
    return buy_history(ledger, rows, [1], FIRST, FIRST + window * DAY, T0 + hours * HOUR)


def parquet(home: Path, columns: str) -> list[tuple[Any, ...]]:
    pattern = home / "published" / "snapshots" / "dataset=*" / "month=*" / "*.parquet"
    with duckdb.connect() as con:
        return con.execute(f"SELECT {columns} FROM read_parquet('{pattern}') ORDER BY ALL").fetchall()


def agrees(home: Path) -> None:
    """Current, as-of, all versions and Parquet say one thing."""
    columns = "token_id, date, tm_grade, observed_at"
    for one, other in (
        (f"SELECT {columns} FROM grades ORDER BY ALL", f"SELECT {columns} FROM grades_as_of(now()) ORDER BY ALL"),
        (
            "SELECT count(*) FROM grades_observations",
            "SELECT sum(rows_new + rows_changed)::BIGINT FROM loads WHERE dataset = 'tm-grade-history'",
        ),
    ):
        assert query(home, one)[1] == query(home, other)[1]
    columns = "token_id, tm_grade, purchase_id, seq"
    assert parquet(home, columns) == query(home, f"SELECT {columns} FROM grades_observations ORDER BY ALL")[1]
    assert check_snapshots(home / "published" / "snapshots") == []
    assert_parts_carried(home)


def test_a_late_delivery_between_two_that_were_published_is_seen_everywhere(tmp_path: Path, ledger: Ledger) -> None:
    """X at noon, X at two, and then Y of one o'clock arrives: the X of two is news again, and current."""
    observe(ledger, 0, 50.0, 0)
    later = observe(ledger, 2, 50.0, 1, BRAND_NEW=1)
    observe(ledger, 3, 55.0, 2)
    bring_up(tmp_path, ledger)
    bring_up(tmp_path, ledger)
    observe(ledger, 1, 51.0, 3, BRAND_NEW=1)
    versions = f"SELECT tm_grade FROM grades_observations WHERE date = '{FIRST:%F}' ORDER BY observed_at"
    for number in (3, 4):
        bring_up(tmp_path, ledger)
        agrees(tmp_path)
        assert query(tmp_path, versions)[1] == [(50.0,), (51.0,), (50.0,), (55.0,)]
        rows = f"SELECT rows_new FROM costs WHERE purchase_id = '{later.purchase_id}'"
        assert query(tmp_path, rows)[1] == [(0,)]
        seen = "SELECT first_seen FROM drift WHERE change = 'new'"
        assert query(tmp_path, seen)[1] == [(T0 + HOUR,)]
        month(ledger, number)


def test_rows_that_a_late_delivery_takes_back_leave_their_month_and_its_old_file_retires(
    tmp_path: Path, ledger: Ledger
) -> None:
    """X, then Y at two. Y of one o'clock says it first, and the Y of two says nothing new any more."""
    observe(ledger, 0, 50.0, 0)
    observe(ledger, 2, 51.0, 1)
    bring_up(tmp_path, ledger)
    old = read_manifest(tmp_path / "published" / "snapshots").files
    observe(ledger, 1, 51.0, 2)
    bring_up(tmp_path, ledger)
    agrees(tmp_path)
    assert count(tmp_path, "grades_observations") == 2
    now = read_manifest(tmp_path / "published" / "snapshots")
    assert {file.content for file in old} <= set(now.retired)
    assert all((tmp_path / "published" / "snapshots" / file.content).exists() for file in old)


Redeclared = Callable[[Callable[[Dataset], Dataset]], None]


def test_a_column_declared_later_is_filled_in_old_rows_too(
    tmp_path: Path, ledger: Ledger, redeclared: Redeclared
) -> None:
    observe(ledger, 0, 50.0, 0, brand_new=7)
    bring_up(tmp_path, ledger)
    extra = Column("brand_new", Cast.INTEGER, ("brand_new",), expected=False)
    redeclared(lambda own: replace(own, columns=(*own.columns[:-1], extra, own.columns[-1])))
    bring_up(tmp_path, ledger)
    agrees(tmp_path)
    assert (
        query(tmp_path, "SELECT brand_new FROM grades_observations")[1] == [(7,)] == parquet(tmp_path, "brand_new")[:1]
    )


def test_a_column_of_another_type_is_of_that_type_wherever_it_is_published(
    tmp_path: Path, ledger: Ledger, redeclared: Redeclared
) -> None:
    """Values must not be rounded to what the column was before."""
    observe(ledger, 0, 50.5, 0)

    def typed(cast: Cast) -> Callable[[Dataset], Dataset]:
        return lambda own: replace(
            own, columns=tuple(replace(c, cast=cast) if c.name == "tm_grade" else c for c in own.columns)
        )

    redeclared(typed(Cast.TEXT))
    bring_up(tmp_path, ledger)
    redeclared(typed(Cast.FLOAT))
    bring_up(tmp_path, ledger)
    agrees(tmp_path)
    assert query(tmp_path, "SELECT tm_grade FROM grades")[1] == [(50.5,)]
    assert parquet(tmp_path, "tm_grade") == [(50.5,)]


def test_costs_and_avoided_are_those_of_a_ledger_that_was_restored(tmp_path: Path, ledger: Ledger) -> None:
    """I5: the seqs of what was lost are given again, to other purchases. What was lost stays priced with its rows."""
    url = f"sqlite:///{tmp_path}/state/ledger.db"
    month(ledger, 0)
    _avoid(ledger, "before")
    backup(url, tmp_path / "backup.db")
    for number in (1, 2, 3):
        month(ledger, number)
    _avoid(ledger, "lost")
    for number in (4, 8):
        month(ledger, number)
        bring_up(tmp_path, ledger)
    lost = {row.purchase_id: row.amount_atomic for row in ledger.cost_rows()}
    ledger.close()
    for path in (tmp_path / "state").glob("ledger.db*"):
        path.unlink()
    restore(tmp_path / "backup.db", url)
    with open_ledger(tmp_path) as restored:
        month(restored, 5)
        _avoid(restored, "after")
        for number in (6, 7):
            bring_up(tmp_path, restored)
            assert_parts_carried(tmp_path)
            rows = query(tmp_path, "SELECT purchase_id, amount_atomic::BIGINT FROM costs ORDER BY 1")[1]
            assert dict(rows) == lost | {row.purchase_id: row.amount_atomic for row in restored.cost_rows()}
            assert query(tmp_path, "SELECT request FROM avoided ORDER BY seq")[1] == [("before",), ("after",)]
            month(restored, number)


def test_avoided_calls_are_those_of_a_restored_ledger_that_lost_nothing_else(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are read again, not only those behind what is published."""
    monkeypatch.setattr(costs, "_LATE", 1)
    url = f"sqlite:///{tmp_path}/state/ledger.db"
    month(ledger, 0)
    for request in ("first", "second"):
        _avoid(ledger, request)
    backup(url, tmp_path / "backup.db")
    _avoid(ledger, "lost")
    bring_up(tmp_path, ledger)
    ledger.close()
    for path in (tmp_path / "state").glob("ledger.db*"):
        path.unlink()
    restore(tmp_path / "backup.db", url)
    with open_ledger(tmp_path) as restored:
        for request in ("third", "fourth"):
            _avoid(restored, request)
        bring_up(tmp_path, restored)
    requests = query(tmp_path, "SELECT request FROM avoided ORDER BY seq")[1]
    assert requests == [("first",), ("second",), ("third",), ("fourth",)]


def _avoid(ledger: Ledger, request: str) -> None:
    [run] = {purchase.run.run_id: purchase.run for purchase in ledger.purchases()[:1]}.values()
    names = ("run_id", "flow", "deployment", "flow_run_id", "reason")
    known = {name: getattr(run, name) for name in names}
    entry = {**known, "dataset": "tm-grade", "request": request, "edition": "day:2025-06-20", "network": "eip155:31337"}
    ledger.note_avoided([{**entry, "asset": "USDC", "decimals": 6, "price_atomic": 17_000, "at": T0}], run)


@pytest.mark.parametrize("home", ["a 'quoted' home", "half=hive"])
def test_any_name_may_be_the_homes(tmp_path: Path, empty_home: Path, home: str) -> None:
    from shutil import copytree

    copytree(empty_home, tmp_path / home)
    with open_ledger(tmp_path / home) as ledger:
        month(ledger, 0)
        bring_up(tmp_path / home, ledger)
    assert count(tmp_path / home) == 20
