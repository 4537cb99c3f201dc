"""`tollbook backfill`: bill, approval, oldest first, resumable."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import Command
from tests.cli.test_bad_input import policy_with
from tests.tasks.conftest import After

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

RANGE = ("--from", "2026-01-01", "--to", "2026-03-31", "--tokens", "3375,3306,3988,3369")


def to_atomic(amount: str) -> int:
    return round(float(amount) * 10**6)


def test_a_backfill_costs_its_bill_to_the_unit_and_the_same_again_nothing(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    bill = tollbook("backfill", "signals", *RANGE, "--dry-run", "--json").document
    before = world.balance(buyer.address)
    done = tollbook("backfill", "signals", *RANGE, "--yes", "--json")
    assert done.code == 0
    assert (done.document["calls_paid"], done.document["amount"]) == (bill["calls"], bill["amount"])
    assert before - world.balance(buyer.address) == to_atomic(bill["amount"])
    assert done.document["rows_new"] == 4 * 90
    again = tollbook("backfill", "signals", *RANGE, "--yes", "--json").document
    assert (again["calls_paid"], again["amount"]) == (0, "0")
    assert again["calls_avoided"] == bill["calls"]


def test_the_first_row_of_a_token_is_told_before_what_is_older_is_paid_for(tollbook: Command, world: World) -> None:
    late = next(token for token in world.market.catalogue.tokens if token.rank == 9)
    listed = date(1970, 1, 1) + timedelta(days=late.listed)

    def backfill(days: int, *options: str) -> Any:
        ends = "--from", f"{listed - timedelta(days=days)}", "--to", f"{listed + timedelta(days=3)}"
        return tollbook("backfill", "signals", *ends, "--tokens", str(late.token_id), "--json", *options).document

    assert backfill(5, "--yes")["rows_new"] == 4
    assert backfill(90, "--dry-run")["notes"] == [f"no trading-signals of {late.token_id} before {listed} are known"]


def test_a_row_that_appears_between_two_pages_is_bought_with_one_more_call(tollbook: Command, world: World) -> None:
    """Thirteen tokens × 29 days: the seller lists one row only once the first pages are out. What was approved is not
    exceeded for it: the next run has it on its bill."""
    settled = [token for token in world.market.catalogue.tokens if token.rank % 9 and token.rank not in (31, 47)][:13]
    tokens = ",".join(str(token.token_id) for token in settled)
    ask = ("backfill", "signals", "--from", "2026-01-01", "--to", "2026-01-29", "--tokens", tokens, "--json")
    bill = tollbook(*ask, "--dry-run").document
    requests = bill["flows"][0]["requests"]
    chained = next(request["params"] for request in requests if request["params"]["page"] == "2")
    first = sum(request["params"]["page"] == "1" for request in requests)
    day = (date.fromisoformat(chained["endDate"]) - date(1970, 1, 1)).days - 2
    world.market.changes.hold_back("trading-signals", int(chained["token_id"].split(",")[1]), day, pages=first)
    done = tollbook(*ask, "--yes")
    assert (done.code, done.document["calls_paid"], done.document["amount"]) == (3, bill["calls"], bill["amount"])
    assert done.document["flows"][0]["left"]["calls"] == 1
    rest = tollbook(*ask, "--yes")
    assert (rest.code, rest.document["calls_paid"], rest.document["rows_new"]) == (0, 1, 1)
    assert tollbook(*ask, "--dry-run").document["calls"] == 0


def test_without_a_yes_and_nobody_to_ask_nothing_is_bought(tollbook: Command, world: World, buyer: Buyer) -> None:
    said = tollbook("backfill", "signals", *RANGE)
    assert said.code == 2
    assert "--yes" in said.err
    assert "--max-cost" in said.err
    assert "The bill" in said.out
    assert world.transfers(buyer.address) == []


def test_a_budget_below_the_bill_is_refused_and_says_how_far_it_reaches(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    said = tollbook("backfill", "signals", *RANGE, "--max-cost", "0.02")
    assert said.code == 3
    assert "it would reach for 1 of" in said.err
    assert world.transfers(buyer.address) == []


def test_a_snapshots_past_is_planned_from_its_history_and_the_bill_says_so(tollbook: Command) -> None:
    document = tollbook(
        "backfill", "tm-grade", "--from", "2026-01-01", "--to", "2026-01-05", "--dry-run", "--json"
    ).document
    assert {flow["dataset"] for flow in document["flows"]} == {"tm-grade-history"}
    assert "tm-grade is sold only for now" in document["notes"][0]


def test_several_datasets_make_one_bill_that_is_paid_to_the_unit(tollbook: Command, world: World, buyer: Buyer) -> None:
    """I5: a flow and two names of one series, which is bought once."""
    command = ("backfill", "grades", "signals", "trading-signals", *RANGE)
    bill = tollbook(*command, "--dry-run", "--json").document
    assert [flow["dataset"] for flow in bill["flows"]] == ["tm-grade-history", "trading-signals"]
    done = tollbook(*command, "--yes", "--json").document
    assert (done["calls_paid"], done["amount"], len(done["flows"])) == (bill["calls"], bill["amount"], 1)
    assert done["rows_new"] == 2 * 4 * 90
    assert sum(int(one["value"]) for one in world.transfers(buyer.address)) == to_atomic(bill["amount"])
    assert tollbook(*command, "--yes", "--json").document["calls_paid"] == 0


def test_without_an_end_it_reaches_the_newest_day_that_no_longer_moves_and_says_so(
    tollbook: Command, world: World
) -> None:
    """Of hourly-ohlcv yesterday is settled an hour after midnight, of trading-signals at six: the earlier counts."""
    now = world.clock.now()
    settled = (now - timedelta(hours=6)).date() - timedelta(days=1)
    command = ("backfill", "trading-signals", "hourly-ohlcv", "--tokens", "3375", "--from")
    document = tollbook(*command, f"{settled - timedelta(days=1)}", "--dry-run", "--json").document
    assert [flow["missing_cells"] for flow in document["flows"]] == [2, 48]
    assert document["notes"] == [f"up to {settled}, the newest day whose rows no longer move; --to buys later ones"]
    said = tollbook(*command, f"{now.date()}")
    assert said.code == 2
    assert f"no day since {now.date()} is settled: the newest is {settled}" in said.err


def test_one_bill_is_of_one_seller(tollbook: Command) -> None:
    said = tollbook("backfill", "signals", "glassnode-price-close", "--from", "2026-01-01")
    assert said.code == 2
    assert "one bill is of one seller, not of tokenmetrics and glassnode" in said.err


def test_a_price_that_jumped_since_the_bill_stops_the_run_and_says_what_is_left(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """Beyond price_drift nothing is settled; the next command asks for the price again, and names it."""
    calls = tollbook("plan", "signals", "--json").document["calls"]
    assert calls
    world.settings.update(prices={"trading-signals": 30_000})
    said = tollbook("backfill", "signals", *RANGE, "--yes", "--json")
    [flow] = said.document["flows"]
    assert (said.code, said.document["calls_paid"], said.document["amount"]) == (4, 0, "0")
    assert flow["left"] == {"calls": 4, "amount": "0.12"}
    assert flow["price_changes"] == [{"dataset": "trading-signals", "before": "0.017", "after": "0.03", "call": 1}]
    assert world.transfers(buyer.address) == []
    dry = tollbook("backfill", "signals", *RANGE, "--dry-run", "--json")
    [line] = dry.document["flows"]
    assert (dry.code, line["calls"], line["amount"]) == (3, 4, "0.12")
    assert "caps.USDC.price_drift" in line["refused"]
    assert "not bought. amount: the seller offers 0.03 USDC" in tollbook("plan", "trading-signals").out


def test_a_price_that_moves_inside_drift_is_shown_where_it_moved(
    tollbook: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = After(1, lambda: world.settings.update(prices={"trading-signals": 20_000}))
    monkeypatch.setattr("tollbook.cli.terminal.progress.watch_for", lambda **_: moving)
    said = tollbook("backfill", "signals", *RANGE, "--max-cost", "1.00", TOLLBOOK_POLICY=slow(tollbook))
    assert said.code == 0
    assert "trading-signals: price 0.017 -> 0.02 at call 2" in said.out
    assert "0.077 USDC for 4 paid calls" in said.out


def slow(tollbook: Command) -> str:
    """A policy file that buys one call after the other."""
    path = Path(tollbook.env["TOLLBOOK_HOME"]) / "one-at-a-time.toml"
    text = Path(tollbook.env["TOLLBOOK_POLICY"]).read_text()
    path.write_text(text.replace("tokens = [", "parallel = 1\ntokens = [", 1))
    return str(path)


def test_a_backfill_that_a_cap_refuses_is_refused_before_anybody_is_asked(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    policy = policy_with(buyer, tmp_path, 'per_run = "50.00"', 'per_run = "0.05"')
    said = tollbook("backfill", "signals", *RANGE, TOLLBOOK_POLICY=policy)
    assert said.code == 3
    assert "caps.USDC.per_run is 0.05 USDC" in said.err
    assert "refused: caps.USDC.per_run" in said.out
    assert world.transfers(buyer.address) == []
