"""Reservations: every cap, all or none, in one transaction, on both databases."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from payer.ledger import Ledger
from payer.policy.rules import Caps
from payer.values.errors import ConflictingRequest, LedgerUnavailable, OverBudget
from payer.values.events import LossAccepted, Sent, Settled, Undelivered, Void
from payer.values.purchase import Data, Money
from tests.payer import purchases as p
from tests.payer.purchases import bought

DAY = ("day", "2026-11-22")
BIG = {"USDC": Caps(*[10**12] * 5)}


def test_reserving_counts_in_every_cap_and_voiding_gives_it_back(ledger: Ledger) -> None:
    """I3."""
    [first, second] = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE)
    assert set(ledger.committed(p.USDC).values()) == {2 * p.PRICE}
    ledger.append(first, Void(at=p.NOW, reason="never sent"))
    assert set(ledger.committed(p.USDC).values()) == {p.PRICE}
    assert second.committed == p.PRICE


@pytest.mark.parametrize("cap", ["per_run", "per_flow_day", "per_day", "per_month"])
def test_one_atomic_unit_over_a_cap_reserves_nothing_and_names_the_cap(ledger: Ledger, cap: str) -> None:
    """I3: all or none."""
    limits = dict.fromkeys(("per_call", "per_run", "per_flow_day", "per_day", "per_month"), 10**9)
    caps = {"USDC": Caps(**{**limits, cap: 3 * p.PRICE - 1})}
    with pytest.raises(OverBudget, match=rf"caps\.USDC\.{cap} is 0\.059999 USDC: 0 USDC are committed and 0\.06 USDC"):
        ledger.reserve(p.run(), [p.wanted(n) for n in range(3)], caps, p.LEASE)
    assert ledger.open_purchases() == []
    assert set(ledger.committed(p.USDC).values()) <= {0}
    assert len(ledger.reserve(p.run(), [p.wanted(n) for n in range(2)], caps, p.LEASE)) == 2


def test_a_call_dearer_than_its_cap_is_refused(ledger: Ledger) -> None:
    caps = {"USDC": Caps(p.PRICE - 1, 10**9, 10**9, 10**9, 10**9)}
    with pytest.raises(OverBudget, match=r"tm-grade: caps\.USDC\.per_call is 0\.019999 USDC"):
        ledger.reserve(p.run(), [p.wanted()], caps, p.LEASE)


def test_the_callers_own_budget_is_a_cap_too(ledger: Ledger) -> None:
    with pytest.raises(OverBudget, match=r"--max-cost is 0\.03 USDC"):
        ledger.reserve(p.run(budget=30_000), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE)


def test_amounts_beyond_64_bits_are_counted_exactly(ledger: Ledger) -> None:
    huge = 123_456_789 * 10**18 + 1
    caps = {"USDC": Caps(10**30, 10**30, 10**30, 10**30, 10**30)}
    ledger.reserve(p.run(), [p.wanted(1, huge), p.wanted(2, huge)], caps, p.LEASE)
    assert ledger.committed(p.USDC)[DAY] == 2 * huge


def test_wanting_a_held_piece_again_reserves_nothing(ledger: Ledger) -> None:
    """I1: the same request in the same edition is the same purchase, in any later run."""
    purchase_id = bought(ledger)
    [again] = ledger.reserve(p.run("later"), [p.wanted(0)], p.CAPS, p.LEASE)
    assert (again.purchase_id, again.data) == (purchase_id, Data.DELIVERED)
    assert ledger.committed(p.USDC)[DAY] == p.PRICE


def test_a_void_piece_wanted_again_counts_for_the_new_run(ledger: Ledger) -> None:
    [first] = ledger.reserve(p.run("one"), [p.wanted()], p.CAPS, p.LEASE)
    ledger.append(first, Void(at=p.NOW, reason="never sent"))
    tomorrow = p.run("two", at=p.NOW + timedelta(days=1))
    [again] = ledger.reserve(tomorrow, [p.wanted()], p.CAPS, p.LEASE)
    assert (again.purchase_id, again.money, again.run.run_id) == (first.purchase_id, Money.RESERVED, "two")
    assert {bucket: amount for bucket, amount in ledger.committed(p.USDC).items() if amount} == {
        ("run", "two"): p.PRICE,
        ("flow_day", "grades/2026-11-23"): p.PRICE,
        ("day", "2026-11-23"): p.PRICE,
        ("month", "2026-11"): p.PRICE,
        ("seller_day", "s/2026-11-23"): p.PRICE,
        ("seller_month", "s/2026-11"): p.PRICE,
    }


def test_an_undelivered_piece_is_bought_again_only_by_operator_approval(ledger: Ledger) -> None:
    """I2."""
    [p0] = ledger.reserve(p.run("one"), [p.wanted()], p.CAPS, p.LEASE)
    lost = ledger.append(p0, p.signed(p0), Sent(at=p.NOW))
    lost = ledger.append(lost, Settled(at=p.NOW, settlement=p.settlement()), Undelivered(at=p.NOW, reason="no"))
    [same] = ledger.reserve(p.run("two"), [p.wanted()], p.CAPS, p.LEASE)
    assert (same.generation, same.undelivered) == (0, True)
    ledger.append(lost, LossAccepted(at=p.NOW, by="an operator"))
    [again] = ledger.reserve(p.run("three"), [p.wanted()], p.CAPS, p.LEASE)
    assert (again.generation, again.money) == (1, Money.RESERVED)
    assert again.nonce != lost.nonce
    assert ledger.committed(p.USDC)[DAY] == 2 * p.PRICE


def test_a_seller_that_took_and_never_delivered_is_not_bought_from_past_the_limit(ledger: Ledger) -> None:
    [p0] = ledger.reserve(p.run("one"), [p.wanted()], p.CAPS, p.LEASE)
    lost = ledger.append(p0, p.signed(p0), Sent(at=p.NOW))
    lost = ledger.append(lost, Settled(at=p.NOW, settlement=p.settlement()), Undelivered(at=p.NOW, reason="no"))
    with pytest.raises(OverBudget, match=r"s took 0\.02 USDC and did not deliver"):
        ledger.reserve(p.run("two"), [p.wanted(1)], p.CAPS, p.LEASE, {"s": p.PRICE})
    assert ledger.reserve(p.run("three"), [p.wanted(1)], p.CAPS, p.LEASE, {"s": p.PRICE + 1})
    ledger.append(lost, LossAccepted(at=p.NOW, by="an operator"))
    assert ledger.reserve(p.run("four"), [p.wanted(2)], p.CAPS, p.LEASE, {"s": p.PRICE})


def test_one_key_with_other_content_is_refused(ledger: Ledger) -> None:
    ledger.reserve(p.run(), [p.wanted(0)], p.CAPS, p.LEASE)
    with pytest.raises(ConflictingRequest):
        ledger.reserve(p.run(), [p.wanted(0, dataset="another")], p.CAPS, p.LEASE)


ODD, RISE = 20_011, 2_003
RACE = {"flow_day": 16 * ODD + 17, "day": 25 * ODD + 17, "month": 40 * ODD + 17}
"""Of 20 wanted of a flow on a day 16 fit, of 32 of two flows 25, of 50 on two days 40."""


def _race(url: str, process: int, barrier: object) -> None:
    """Reserve odd prices, and sign every third one dearer over its nonce, as long as anything fits."""
    caps = {"USDC": Caps(10**9, 10**9, RACE["flow_day"], RACE["day"], RACE["month"])}
    with Ledger.open(url) as ledger:
        barrier.wait()  # type: ignore[attr-defined]
        for turn in range(4):
            number = 1000 * process + turn
            run = p.run(f"run-{number}", flow=("grades", "signals")[process % 2], at=p.NOW + timedelta(days=turn % 2))
            try:
                [held] = ledger.reserve(run, [p.wanted(number, ODD)], caps, p.LEASE)
                if number % 3 == 0:
                    sent = ledger.append(held, p.signed(held, ODD), Sent(at=p.NOW))
                    ledger.append(sent, p.signed(held, ODD + RISE), caps=caps)
            except OverBudget:
                continue


def test_twenty_processes_racing_for_the_last_cent_never_cross_a_cap(ledger_url: str) -> None:
    """I3: reservations and dearer signatures, each checked in its own transaction, on both stores."""
    Ledger.open(ledger_url).close()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(20)
    racers = [context.Process(target=_race, args=(ledger_url, n, barrier)) for n in range(20)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
    assert [racer.exitcode for racer in racers] == [0] * 20
    with Ledger.open(ledger_url) as ledger:
        buckets = ledger.committed(p.USDC)
        assert [(bucket, amount) for bucket, amount in buckets.items() if amount > RACE.get(bucket[0], 10**9)] == []
        month = buckets["month", "2026-11"]
        assert RACE["month"] - ODD < month == sum(purchase.committed for purchase in ledger.purchases())
        assert {purchase.committed for purchase in ledger.purchases()} == {ODD, ODD + RISE}


def test_a_ledger_on_a_full_disk_refuses_before_anything_is_signed(tmp_path: Path) -> None:
    """A reservation that can't be made durable raises; the purchase does not exist."""
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        engine = ledger._engine
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count=60"))
        engine.dispose()

        def fill() -> None:
            for number in range(500):
                ledger.reserve(p.run(f"run-{number}"), [p.wanted(number)], BIG, p.LEASE)

        with pytest.raises(LedgerUnavailable, match="full"):
            fill()
        held = ledger.purchases()
        assert 0 < len(held) < 500
        assert ledger.committed(p.USDC)[DAY] == len(held) * p.PRICE
