"""The digests that a publication carries are those of its rows, whatever was replaced on the way."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from payer.ledger import Ledger
from payer.ledger.backup import backup, restore
from payer.values.chain_view import Settlement
from payer.values.events import Settled
from tests.payer import purchases as p
from tests.warehouse import purchases_in_every_state as mixed
from tests.warehouse.deliveries import DAY, T0, grades, pieces
from tests.warehouse.publications import FIRST, assert_parts_carried, bring_up, month, parts_carried_and_measured
from tests.warehouse.purchases import buy, buy_history, open_ledger
from warehouse.publish import costs
from warehouse.publish.publish import publish
from warehouse.publish.views.table_parts import lake_mark
from warehouse.query import query

pytestmark = pytest.mark.usefixtures("with_lake")


def restate(ledger: Ledger, day: int) -> None:
    buy_history(ledger, grades([1, 2], FIRST, 9, 60.0), [1, 2], FIRST, FIRST + 8 * DAY, T0 + day * DAY)


def test_they_follow_new_and_replaced_rows_and_late_deliveries(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        for number in (1, 2):
            month(ledger, number)
            bring_up(tmp_path, ledger)
            assert_parts_carried(tmp_path)
        month(ledger, 0)
        bring_up(tmp_path, ledger)
        restate(ledger, 30)
        bring_up(tmp_path, ledger)
        assert_parts_carried(tmp_path)
        month(ledger, 3, at=T0 + DAY / 2, value=70.0)
        bring_up(tmp_path, ledger)
        assert_parts_carried(tmp_path)


def test_those_of_costs_and_provenance_follow_a_purchase_that_settles_after_its_rows_were_published(
    tmp_path: Path,
) -> None:
    unproven = "SELECT count(*) FROM loads JOIN costs USING (purchase_id) WHERE tx_hash IS NULL"
    [piece] = pieces("tm-grade-history", ["1", "2"], FIRST, FIRST + 9 * DAY, T0)
    with open_ledger(tmp_path) as ledger:
        held = buy(ledger, piece, grades([1, 2], FIRST, 10, 50.0), T0, flow="grades", settled=False)
        for number in (1, 2):
            month(ledger, number)
            bring_up(tmp_path, ledger)
            assert_parts_carried(tmp_path)
        assert query(tmp_path, unproven)[1] == [(1,)]
        at = T0 + 3 * DAY
        proof = Settlement("0x" + "aa" * 32, 9, "0x" + "bb" * 32, at, p.PAYEE, p.PRICE, final=True)
        ledger.append(held, Settled(at=at, settlement=proof))
        for number in (3, 4):
            bring_up(tmp_path, ledger)
            assert_parts_carried(tmp_path)
            month(ledger, number)
        assert query(tmp_path, unproven)[1] == [(0,)]


def test_those_of_costs_follow_purchases_in_every_state_with_and_without_rows(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        for number in (1, 2):
            month(ledger, number)
            bring_up(tmp_path, ledger)
        mixed.fill(ledger)
        for number in (3, 4):
            bring_up(tmp_path, ledger)
            assert_parts_carried(tmp_path)
            month(ledger, number)


def test_those_of_costs_follow_a_late_delivery_whose_neighbours_the_ledger_changed_long_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_LATE", 0)
    with open_ledger(tmp_path) as ledger:
        for window, (hour, value) in enumerate(((0, 50.0), (2, 50.0), (3, 55.0))):
            buy_history(ledger, grades([1], FIRST, 1, value), [1], FIRST, FIRST + window * DAY, T0 + hour * DAY / 24)
        for number in (5, 6):
            bring_up(tmp_path, ledger)
            month(ledger, number)
        buy_history(ledger, grades([1], FIRST, 1, 51.0), [1], FIRST, FIRST + 3 * DAY, T0 + DAY / 24)
        for number in (7, 8):
            bring_up(tmp_path, ledger)
            assert_parts_carried(tmp_path)
            month(ledger, number)


def test_those_of_costs_are_without_what_a_restored_ledger_lacks_and_brought_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_LATE", 0)
    url = f"sqlite:///{tmp_path}/state/ledger.db"
    with open_ledger(tmp_path) as ledger:
        month(ledger, 1)
        backup(url, tmp_path / "backup.db")
        mixed.fill(ledger)
        for number in (2, 3):
            month(ledger, number)
            bring_up(tmp_path, ledger)
    for path in (tmp_path / "state").glob("ledger.db*"):
        path.unlink()
    restore(tmp_path / "backup.db", url)
    with open_ledger(tmp_path) as restored:
        for number in (4, 5):
            month(restored, number)
            bring_up(tmp_path, restored)
            assert_parts_carried(tmp_path)


def test_they_are_measured_again_for_a_file_that_has_none_or_those_of_another_duckdb(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        month(ledger, 1)
        bring_up(tmp_path, ledger)
        for number, harm in ((2, "DELETE FROM table_parts"), (3, "UPDATE table_parts SET engine = 'v0', digest = 1")):
            for path in (tmp_path / "published").rglob("*.duckdb"):
                path.chmod(0o644)
                with duckdb.connect(str(path)) as con:
                    if con.execute("FROM duckdb_tables() WHERE table_name = 'table_parts'").fetchall():
                        con.execute(harm)
            month(ledger, number)
            bring_up(tmp_path, ledger)
            assert_parts_carried(tmp_path)


def test_a_published_set_made_afresh_has_the_same(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        for number in (1, 2):
            month(ledger, number)
            bring_up(tmp_path, ledger)
        before, _ = parts_carried_and_measured(tmp_path)
        publish(tmp_path, ledger, rebuild=True)
        assert parts_carried_and_measured(tmp_path) == (before, before)


def test_they_are_carried_once_a_lake_is_written_from_the_folder(tmp_path: Path) -> None:
    mark = lake_mark(tmp_path / "published")
    mark.unlink()
    with open_ledger(tmp_path) as ledger:
        for number in (1, 2):
            month(ledger, number)
            bring_up(tmp_path, ledger)
            assert query(tmp_path, "FROM table_parts")[1] == []
        mark.touch()
        for number in (3, 4):
            month(ledger, number)
            bring_up(tmp_path, ledger)
            assert_parts_carried(tmp_path)
        mark.unlink()
        month(ledger, 5)
        bring_up(tmp_path, ledger)
        assert query(tmp_path, "FROM table_parts")[1] == []
