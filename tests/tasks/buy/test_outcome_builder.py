"""An outcome says what happened: what was bought is loaded and published, whatever ended the run."""

from __future__ import annotations

import pytest

from payer.values.errors import QuoteUnacceptable
from tests.tasks.conftest import PRICE, After, Desk
from warehouse.query import query

ALWAYS_ASK = ("[assets.USDC]", "[payment]\nquote_max_age = 0\n\n[assets.USDC]")


@pytest.mark.parametrize(
    ("fault", "leg"), [("rpc_error", "any"), ("redirect_before", "unpaid")], ids=["chain", "seller"]
)
def test_a_peer_that_fails_between_two_pages_leaves_the_first_loaded_and_its_cost_told(
    desk: Desk, fault: str, leg: str
) -> None:
    """The first page was paid: "nothing was spent by this run" would be false. What no chain proves is in doubt."""
    desk.changes = [ALWAYS_ASK]
    done = desk.fresh("moonshot-tokens-past", watch=After(1, lambda: desk.world.faults.add(fault, times=None, leg=leg)))
    blind = fault == "rpc_error"
    assert (done.calls_paid, done.open, done.loaded.rows_new) == (0 if blind else 1, 1 if blind else 0, 100)
    assert done.exit_code == (4 if blind else 3)
    assert done.published is not None
    assert query(desk.buyer.home, "SELECT count(*) FROM moonshots")[1] == [(100,)]
    assert (done.in_doubt if blind else done.amount_atomic) == desk.taken() > 0


def test_a_refused_dataset_leaves_its_sibling_to_be_bought(desk: Desk) -> None:
    desk.world.settings.update(prices={"tm-grade-history": 150_000})
    done = desk.fresh("grades")
    assert (done.calls_paid, done.amount_atomic, done.exit_code) == (1, PRICE, 3)
    assert (done.left_calls, done.left_atomic) == (2, 300_000)
    [problem] = done.problems
    assert "caps.USDC.per_call" in problem.what


def test_a_run_of_which_everything_is_refused_raises_the_refusal(desk: Desk) -> None:
    desk.world.settings.update(prices={"tm-grade-history": 150_000, "tm-grade": 150_000})
    with pytest.raises(QuoteUnacceptable, match="per_call"):
        desk.fresh("grades")
    assert desk.taken() == 0


def test_caps_let_the_snapshot_through_and_the_gaps_close_run_by_run(desk: Desk) -> None:
    """I3."""
    desk.changes = [('per_run = "50.00"', 'per_run = "0.04"')]
    first = desk.fresh("grades")
    assert (first.calls_paid, first.left_calls, first.left_atomic, first.exit_code) == (2, 1, PRICE, 4)
    assert query(desk.buyer.home, "SELECT count(*) FROM costs WHERE dataset = 'tm-grade'")[1] == [(1,)]
    second = desk.fresh("grades")
    assert (second.calls_paid, second.left_calls, second.exit_code) == (1, 0, 0)
