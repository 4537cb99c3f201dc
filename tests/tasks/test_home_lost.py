"""A home that is deleted or replaced during a run: no success is reported for books that no longer exist."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from payer.values.errors import PayerError
from tasks.buy.outcome import Outcome
from tests.tasks.conftest import After, Desk, desk

__all__ = ["desk"]

CALLS = 4
ONE_AT_A_TIME = ("tokens = [", "parallel = 1\ntokens = [")


def deleted(home: Path) -> None:
    shutil.rmtree(home / "state")


def replaced(home: Path) -> None:
    (home / "state").rename(home / "before")
    (home / "state").mkdir()


def restored_from_an_older_copy(home: Path) -> None:
    copy = home / "copy.db"
    shutil.copy(home / "state" / "ledger.db", copy)
    copy.replace(home / "state" / "ledger.db")


LOSSES = [deleted, replaced, restored_from_an_older_copy]


@pytest.mark.parametrize("act", LOSSES)
def test_a_home_lost_while_buying_ends_the_run_in_error_with_nothing_more_signed(
    desk: Desk, act: Callable[[Path], None]
) -> None:
    desk.changes = [ONE_AT_A_TIME]
    ended: Outcome | PayerError
    try:
        ended = desk.backfill(CALLS, watch=After(2, lambda: act(desk.buyer.home)))
    except PayerError as error:
        ended = error
    assert ended.exit_code == 4
    told = [ended] if isinstance(ended, PayerError) else list(ended.problems)
    assert "LedgerReplaced" in {type(problem).__name__ for problem in told}
    assert len(desk.world.transfers(desk.buyer.address)) == 2


@pytest.mark.parametrize("act", LOSSES)
def test_a_home_lost_after_the_last_payment_is_no_success(desk: Desk, act: Callable[[Path], None]) -> None:
    ended: Outcome | PayerError
    try:
        ended = desk.backfill(1, watch=After(1, lambda: act(desk.buyer.home)))
    except PayerError as error:
        ended = error
    assert ended.exit_code == 4
