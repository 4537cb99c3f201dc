"""A seller's bad day: what was asked for, paid and not delivered is seen, repaired, or asked for again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.cli.conftest import Command

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def published(buyer: Buyer, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(buyer.home / "published" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


def test_an_empty_day_is_a_gap_until_the_history_fills_it(
    own_world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Grades, whose snapshot answers without a row on one day: that run doesn't end green, and the next repairs it."""
    world = own_world
    buyer = world.buyer("unlucky")
    tollbook = Command(buyer.env, monkeypatch, capsys)
    assert tollbook("run", "grades", "--json").code == 0
    world.clock.advance(timedelta(days=1))
    tollbook = Command(world.buyer("unlucky").env, monkeypatch, capsys)
    world.faults.add("no_rows", path="*/tm-grade")
    bad = tollbook("run", "grades", "--json")
    [flow] = bad.document["flows"]
    day = datetime.fromtimestamp(world.clock.time(), UTC).date()
    assert bad.code == 4, bad.out
    [cells] = [each for each in flow["unconfirmed"] if each["dataset"] == "tm-grade"]
    assert (cells["cells"], cells["span"]) == (5, str(day))
    assert "tm-grade-history" in cells["again"]
    gaps = f"SELECT count(*) FROM quality_gaps WHERE dataset = 'tm-grade' AND first_slot::DATE = '{day}'"
    assert published(buyer, gaps) == [(5,)]
    assert published(buyer, f"SELECT count(*) FROM grades WHERE date = '{day}'") == [(0,)]
    plan = tollbook("plan", "grades")
    assert "5 cells unconfirmed: asked for and not delivered" in plan.out
    assert "unconfirmed" in tollbook("status").out
    world.clock.advance(timedelta(days=1))
    tollbook = Command(world.buyer("unlucky").env, monkeypatch, capsys)
    again = tollbook("run", "grades", "--json")
    assert again.code == 0, again.out
    assert published(buyer, gaps) == [(0,)]
    assert published(buyer, f"SELECT count(*) FROM grades WHERE date = '{day}'") == [(5,)]


def test_a_page_that_the_seller_cuts_is_read_on_in_the_same_run(tollbook: Command, world: World, buyer: Buyer) -> None:
    """Half of a history was lost when pages of a hundred came with fifty rows."""
    tokens = [str(token.token_id) for token in world.market.catalogue.tokens if token.rank % 9][:10]
    ask = ("backfill", "signals", "--from", "2026-01-01", "--to", "2026-01-10", "--tokens", ",".join(tokens), "--json")
    world.settings.update(page_rows=50)
    done = tollbook(*ask, "--max-cost", "1")
    assert (done.code, done.document["calls_paid"], done.document["rows_new"]) == (0, 2, 100), done.out
    assert published(buyer, "SELECT count(*) FROM quality_gaps WHERE dataset = 'trading-signals'") == [(0,)]
    bill = tollbook("backfill", "signals", "--from", "2026-02-01", "--to", "2026-02-10", *ask[6:], "--dry-run").document
    assert {request["params"]["limit"] for request in bill["flows"][0]["requests"]} == {"50"}


def test_what_is_held_is_bought_again_when_an_operator_says_so(tollbook: Command, world: World, buyer: Buyer) -> None:
    """With the bill first; on one day each request is paid for once, however often it is begun."""
    ask = ("backfill", "signals", "--from", "2026-01-01", "--to", "2026-01-10", "--tokens", "3375,3306", "--json")
    assert tollbook(*ask, "--yes").document["rows_new"] == 20
    assert tollbook(*ask, "--yes").document["calls_paid"] == 0
    day = (datetime(2026, 1, 5, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    world.market.changes.restate("trading-signals", 3375, day, {"TRADING_SIGNAL": 7})
    bill = tollbook(*ask, "--again", "--dry-run").document
    assert (bill["calls"], len(world.transfers(buyer.address))) == (1, 1)
    done = tollbook(*ask, "--again", "--yes")
    assert (done.code, done.document["calls_paid"], done.document["rows_changed"]) == (0, 1, 1), done.out
    once = tollbook(*ask, "--again", "--yes").document
    assert (once["calls_paid"], len(world.transfers(buyer.address))) == (0, 2)
    query = "SELECT dataset, row_key, column_name, before, after FROM quality_restatements"
    [found] = published(buyer, query)
    assert found[:3] == ("trading-signals", "3375/2026-01-05", "trading_signal")
    assert found[4] == "7"
