"""Buying a bill: doubt in one purchase stops no other, and a price that moves is followed as far as was approved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payer.ledger import Ledger
from payer.ledger.database import statements
from payer.values.errors import LedgerUnavailable
from payer.values.purchase import Purchase
from tasks.buy.outcome import PriceChange
from tests.tasks.conftest import PRICE, After, Desk
from warehouse.query import query

ONE_AT_A_TIME = ("tokens = [", "parallel = 1\ntokens = [")
PATIENT = ("[assets.USDC]", "[payment]\nclock_skew_seconds = 300\n\n[assets.USDC]")
"""Takes a buyer whose clock is ahead of the chain's."""

DEARER, ABSURD = 20_000, 30_000


def moves(desk: Desk, to: int) -> Callable[[], None]:
    return lambda: desk.world.settings.update(prices={"trading-signals": to})


def test_a_purchase_in_doubt_stops_no_other_and_is_said(desk: Desk) -> None:
    """I9: its authorization has run out, no final block proves it dead, and the seller's last word was a 402. More
    pieces than are asked for at once stand behind it."""
    desk.changes = [PATIENT]
    desk.world.faults.add("again_402_before", times=None)
    begun = desk.backfill(1, flow="another-flow")
    assert (begun.exit_code, begun.open, begun.calls_paid, begun.in_doubt) == (4, 1, 0, PRICE)
    desk.world.faults.clear()
    desk.offset = 200.0
    done = desk.backfill(11)
    assert (done.calls_paid, done.left_calls, done.open, done.exit_code) == (10, 1, 1, 4)
    assert (done.amount_atomic, desk.taken()) == (10 * PRICE, 10 * PRICE)


def test_what_recovery_left_in_doubt_is_not_tried_again_by_the_same_run(desk: Desk) -> None:
    desk.changes = [PATIENT]
    desk.world.faults.add("again_402_before", times=None)
    desk.backfill(1)
    desk.world.seller.visits.clear()
    desk.offset = 200.0
    done = desk.backfill(1)
    assert (done.open, done.left_calls, done.exit_code) == (1, 1, 4)
    assert list(desk.world.seller.visits) == []


def test_one_call_in_doubt_leaves_those_behind_it_to_be_bought(desk: Desk) -> None:
    """Its seller answers 402 with the same terms, so the price has not moved."""
    desk.changes = [ONE_AT_A_TIME]
    desk.world.faults.add("again_402_before", times=3)
    done = desk.backfill(3)
    assert (done.calls_paid, done.open, done.exit_code) == (2, 1, 4)
    assert done.price_changes == ()


def test_a_price_that_moves_inside_drift_is_followed_where_there_is_room(desk: Desk) -> None:
    desk.changes = [ONE_AT_A_TIME]
    done = desk.backfill(5, watch=After(2, moves(desk, DEARER)), approved=1_000_000)
    assert (done.calls_paid, done.left_calls, done.open, done.exit_code) == (5, 0, 0, 0)
    assert done.price_changes == (PriceChange("trading-signals", PRICE, DEARER, call=3),)
    assert done.amount_atomic == desk.taken() == desk.spent() == 2 * PRICE + 3 * DEARER


def test_a_price_that_moves_inside_drift_is_followed_as_far_as_was_approved(desk: Desk) -> None:
    """I3: the bill was approved and nothing on top; 2 at the old price, then 3 at the new one, are all it holds."""
    desk.changes = [ONE_AT_A_TIME]
    done = desk.backfill(6, watch=After(2, moves(desk, DEARER)))
    assert (done.calls_paid, done.amount_atomic) == (5, 2 * PRICE + 3 * DEARER)
    assert (done.left_calls, done.left_atomic, done.open, done.exit_code) == (1, DEARER, 0, 3)
    assert "the approved amount is 0.102 USDC" in done.problems[0].what
    assert done.amount_atomic == desk.taken() == desk.spent()
    assert (desk.bill(6).calls, desk.bill(6).amount_atomic) == (1, DEARER)


def test_payments_in_flight_when_the_price_moves_never_cross_the_approved_amount(desk: Desk) -> None:
    """I3: with eight at once, what the old price left in doubt counts until it is proved dead."""
    done = desk.backfill(10, watch=After(1, moves(desk, DEARER)))
    assert 0 < done.calls_paid < 10
    assert done.amount_atomic + done.in_doubt <= 10 * PRICE
    assert (done.left_calls, done.left_atomic) == (10 - done.calls_paid, (10 - done.calls_paid) * DEARER)
    assert done.amount_atomic == desk.taken() == desk.spent()


def test_a_price_that_moves_beyond_drift_pauses_the_run_with_nothing_more_signed(desk: Desk) -> None:
    desk.changes = [ONE_AT_A_TIME]
    done = desk.backfill(5, watch=After(2, moves(desk, ABSURD)))
    assert (done.calls_paid, done.amount_atomic, done.open, done.in_doubt) == (2, 2 * PRICE, 1, PRICE)
    assert (done.left_calls, done.left_atomic, done.exit_code) == (3, 3 * ABSURD, 4)
    assert any("caps.USDC.price_drift" in problem.what for problem in done.problems)
    assert (desk.signed(), desk.taken(), desk.spent()) == (3, 2 * PRICE, 2 * PRICE)
    [(rows,)] = query(desk.buyer.home, "SELECT count(*) FROM signals")[1]
    assert rows == 2 * 29


def test_after_a_price_beyond_drift_the_next_bill_shows_it_and_nothing_is_signed(desk: Desk) -> None:
    desk.bill(2)
    moves(desk, ABSURD)()
    desk.changes = [ONE_AT_A_TIME]
    assert (desk.backfill(2).calls_paid, desk.signed()) == (0, 1)
    [line] = desk.bill(2).lines
    assert {item.price for item in line.all_items} == {ABSURD}
    assert line.problem is not None
    assert "0.03 USDC" in line.problem.what
    desk.offset = 140.0
    again = desk.backfill(2)
    assert (again.exit_code, again.open, again.left_calls, again.left_atomic) == (4, 1, 2, 2 * ABSURD)
    assert desk.signed() == 1


class Gone:
    """A ledger that can be neither read nor written, from a call until so many bodies wait in the spool."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, spool: Path, *, calls: int) -> None:
        self._spool, self._calls, self._begun, self._is_gone = spool, calls, 0, False
        self._append, self._take = Ledger.append, statements._KeptConnection.take
        monkeypatch.setattr(Ledger, "append", lambda ledger, *args, **kwargs: self._counted(ledger, *args, **kwargs))
        monkeypatch.setattr(statements._KeptConnection, "take", lambda kept, engine: self._taken(kept, engine))

    def _counted(self, ledger: Ledger, *args: Any, **kwargs: Any) -> Purchase:
        self._begun += 1
        self._is_gone |= self._begun == self._calls + 1
        return self._append(ledger, *args, **kwargs)

    def _taken(self, kept: Any, engine: Any) -> Any:
        self._is_gone &= len(list(self._spool.glob("*"))) < self._calls
        if self._is_gone:
            raise LedgerUnavailable("the ledger can't be written: the server is gone")
        return self._take(kept, engine)


def test_a_ledger_that_is_gone_abandons_no_answer_on_its_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """I4, I11: three calls have paid, and their seller serves each once. A fourth finds the ledger gone, which is back
    after their answers have come."""
    desk.world.settings.update(latency=1.0)
    Gone(monkeypatch, desk.buyer.home / "state" / "spool", calls=3)
    stopped = desk.backfill(6)
    assert stopped.exit_code != 0
    assert desk.taken() == 3 * PRICE
    desk.world.settings.update(latency=0.0)
    done = desk.backfill(6)
    assert (done.undelivered, done.exit_code, done.calls_paid) == (0, 0, 3)
    assert desk.taken() == desk.spent() == 6 * PRICE


def test_nothing_is_begun_once_a_call_has_met_a_lost_ledger(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where it is back by then: what its books lack is not known."""
    desk.changes = [ONE_AT_A_TIME]
    Gone(monkeypatch, desk.buyer.home / "state" / "spool", calls=1)
    stopped = desk.backfill(3)
    assert (stopped.exit_code, desk.signed()) == (4, 1)
    assert desk.taken() == PRICE
