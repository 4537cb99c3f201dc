"""The state that a flow ends in: what its outcome deserves, with a sentence about the money (I12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from payer.settle.reconcile import Difference
from payer.values.errors import (
    ChainUnreachable,
    EndedVoid,
    Frozen,
    LedgerDamaged,
    LedgerUnavailable,
    Misconfigured,
    OverBudget,
    PaidUndelivered,
    PayerError,
    SellerUnreachable,
    Unresolved,
)
from payer.values.purchase import Purchase
from tasks.buy.outcome import Outcome, PriceChange
from tasks.buy.outcome_builder import OutcomeBuilder
from tasks.ops.reconcile import Books
from tasks.prefect.verdict import books_verdict, failure, verdict, worth_repeating
from tests.payer import purchases as p

DIFFERENCE = Difference("missing", "a transfer that the chain doesn't have", "f00")


def outcome() -> Outcome:
    return OutcomeBuilder(p.run(), p.USDC).outcome(())


@pytest.mark.parametrize(
    ("losses", "differences", "exit_code", "state", "words"),
    [
        ((), (), 0, "Completed", "ledger and chain agree to the unit"),
        ((), (DIFFERENCE,), 4, "Failed", "1 differences"),
        ((p.undelivered(),), (), 5, "Failed", "1 purchase was paid and brought nothing that can be used: 0.02 USDC"),
        ((p.undelivered(), p.undelivered()), (DIFFERENCE,), 5, "Failed", "2 purchases were paid and brought nothing"),
    ],
)
def test_a_reconciliation_is_completed_only_when_nothing_is_lost_and_all_agrees(
    losses: tuple[Purchase, ...], differences: tuple[Difference, ...], exit_code: int, state: str, words: str
) -> None:
    books = Books((), differences, losses=losses)
    assert books.exit_code == exit_code
    ended = books_verdict(books).state
    assert ended.name == state
    assert words in str(ended.message)


def test_a_run_names_the_prices_that_moved_whether_it_completed_or_failed() -> None:
    moved = replace(outcome(), price_changes=(PriceChange("tm-grade", 20_000, 25_000, 3),))
    words = "the price of tm-grade moved from 0.02 to 0.025 USDC"
    completed, failed = verdict(moved).state, verdict(replace(moved, left_calls=2)).state
    assert (completed.name, failed.name) == ("Completed", "Failed")
    assert words in str(completed.message)
    assert words in str(failed.message)


@pytest.mark.parametrize("change", [{"undelivered": 1}, {"open": 1}, {"left_calls": 1}])
def test_a_run_that_lost_doubts_or_leaves_something_fails(change: dict[str, int]) -> None:
    ended = verdict(replace(outcome(), **change))  # type: ignore[arg-type]
    assert ended.state.name == "Failed"


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"left_calls": 1}, False),
        ({"undelivered": 1}, False),
        ({"open": 1}, True),
        ({"problems": (OverBudget("the cap is full"),)}, False),
        ({"problems": (SellerUnreachable("no answer"),)}, True),
        ({"problems": (OverBudget("the cap is full"), ChainUnreachable("no answer"))}, True),
    ],
)
def test_a_run_is_repeated_only_where_it_may_end_better(change: dict[str, Any], again: bool) -> None:
    assert verdict(replace(outcome(), **change)).again is again


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Misconfigured("no key"), False),
        (OverBudget("the cap is full"), False),
        (Frozen("frozen"), False),
        (PaidUndelivered("lost"), False),
        (EndedVoid("all void"), False),
        (LedgerDamaged("damaged"), False),
        (Unresolved("in doubt"), True),
        (SellerUnreachable("no answer"), True),
        (LedgerUnavailable("locked"), True),
    ],
)
def test_an_error_that_would_be_the_same_again_is_not_repeated(error: PayerError, again: bool) -> None:
    assert worth_repeating(error) is again
    assert failure(error).again is again
