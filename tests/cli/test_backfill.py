"""`tollbook backfill`: bill, yes, buy oldest first, resumable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command
from tests.cli.test_bad_input import policy_with
from tests.tasks.conftest import After

if TYPE_CHECKING:
    from tollbook.sandbox.world import Buyer, World

RANGE = ("--from", "2026-01-01", "--to", "2026-03-31", "--tokens", "3375,3306,3988,3369")


def atoms(amount: str) -> int:
    return round(float(amount) * 10**6)


def test_a_backfill_costs_its_bill_to_the_unit_and_the_same_again_nothing(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    bill = tollbook("backfill", "signals", *RANGE, "--dry-run", "--json").document
    before = world.balance(buyer.address)
    done = tollbook("backfill", "signals", *RANGE, "--yes", "--json")
    assert done.code == 0
    assert (done.document["calls_paid"], done.document["amount"]) == (bill["calls"], bill["amount"])
    assert before - world.balance(buyer.address) == atoms(bill["amount"])
    assert done.document["rows_new"] == 4 * 90
    again = tollbook("backfill", "signals", *RANGE, "--yes", "--json").document
    assert (again["calls_paid"], again["amount"]) == (0, "0")
    assert again["calls_avoided"] == bill["calls"]


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


def test_a_backfill_killed_on_the_way_is_resumed_without_repeating_a_call(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I1, I5: SIGKILL twice, then to its end; one transfer per purchase, together exactly the bill. The seller serves a
    proof of payment again; one that doesn't leaves what was in flight undelivered, and is never paid twice either."""
    bill = tollbook("backfill", "signals", *RANGE, "--dry-run", "--json").document
    world.settings.update(latency=0.15, resend="served")
    for transfers in (1, 3):
        _kill_after(transfers, world, buyer)
    world.settings.update(latency=0.0)
    for _ in range(20):
        done = tollbook("backfill", "signals", *RANGE, "--yes", "--json")
        if done.code == 0:
            break
        time.sleep(1)
    assert done.code == 0, done.out
    paid = world.transfers(buyer.address)
    assert len(paid) == bill["calls"]
    assert sum(int(transfer["value"]) for transfer in paid) == atoms(bill["amount"])
    status = tollbook("status", "--json").document
    assert atoms(status["spent"]["USDC"]) == atoms(bill["amount"])
    assert status["undelivered"] == []


def _kill_after(transfers: int, world: World, buyer: Buyer) -> None:
    """Start the same backfill in a child and SIGKILL it once so many of its payments have settled."""
    env = {**os.environ, **buyer.env}
    command = [sys.executable, "-m", "tollbook.cli.main", "backfill", "signals", *RANGE, "--yes", "--json"]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 120
        while len(world.transfers(buyer.address)) < transfers and child.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)


def test_a_price_that_jumped_since_the_bill_stops_the_run_and_says_what_is_left(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """Beyond price_drift nothing is settled; the next command asks for the price again, and names it."""
    calls = tollbook("plan", "signals", "--json").document["calls"]
    assert calls
    world.settings.update(prices={"trading-signals": 50_000})
    said = tollbook("backfill", "signals", *RANGE, "--yes", "--json")
    [flow] = said.document["flows"]
    assert (said.code, said.document["calls_paid"], said.document["amount"]) == (4, 0, "0")
    assert flow["left"] == {"calls": 4, "amount": "0.2"}
    assert flow["price_changes"] == [{"dataset": "trading-signals", "before": "0.017", "after": "0.05", "call": 1}]
    assert world.transfers(buyer.address) == []
    dry = tollbook("backfill", "signals", *RANGE, "--dry-run", "--json")
    [line] = dry.document["flows"]
    assert (dry.code, line["calls"], line["amount"]) == (3, 4, "0.2")
    assert "caps.USDC.price_drift" in line["refused"]
    assert "not bought. amount: the seller offers 0.05 USDC" in tollbook("plan", "trading-signals").out


def test_a_price_that_moves_inside_drift_is_shown_where_it_moved(
    tollbook: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = After(1, lambda: world.settings.update(prices={"trading-signals": 20_000}))
    monkeypatch.setattr("tollbook.cli.progress.watch_for", lambda **_: moving)
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
