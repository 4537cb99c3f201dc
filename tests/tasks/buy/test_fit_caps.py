"""Trimming a bill to the caps, without a world: what is never sold again goes first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from payer.policy.rules import Caps
from payer.values.request import Run
from tasks.buy.bill import Bill, Due, Item, Line
from tasks.buy.caps import Beside
from tasks.buy.fit_caps import fit_caps, urgent_only
from tests.tasks.buy.test_bill import USDC, item

if TYPE_CHECKING:
    from tasks.workspace.workspace import Workspace

PRICE = 17_000
CAPS = Caps(per_call=100_000, per_run=1_000_000, per_flow_day=2_000_000, per_day=5_000_000, per_month=50_000_000)
NOW = datetime(2026, 11, 25, 6, 15, tzinfo=UTC)


@dataclass
class Books:
    """A ledger of which only the caps are asked; no purchase is open."""

    held: dict[tuple[str, str], int] = field(default_factory=dict)
    paid: dict[tuple[str, str], int] = field(default_factory=dict)

    def committed(self, _asset: object) -> dict[tuple[str, str], int]:
        return self.held

    def open_purchases(self) -> list[object]:
        return []

    def freezes(self) -> list[object]:
        return []

    @property
    def elsewhere(self) -> SimpleNamespace:
        return SimpleNamespace(totals=lambda *_: self.paid)


def workspace(**held: int) -> Workspace:
    buckets = {"day": ("day", "2026-11-25"), "month": ("month", "2026-11")}
    books = Books({buckets[scope]: amount for scope, amount in held.items()})
    policy = SimpleNamespace(caps={"USDC": CAPS})
    return cast("Workspace", SimpleNamespace(ledger=books, policy=policy, has_wallet=False))


def pieces(count: int, due: Due, first: int) -> tuple[Item, ...]:
    """So many pages of one listing."""
    orders = (item(first + number, first=first + number).order for number in range(count))
    return tuple(
        Item(replace(order, context={**order.context, "group": str(first)}), PRICE, 100, due) for order in orders
    )


def new_list(gaps: int = 59) -> Bill:
    """A new watch list: three snapshot calls, and the history of its tokens."""
    history = Line("tm-grade-history", 5880, pieces(gaps, Due.WHENEVER, 100))
    return Bill("grades", USDC, (Line("tm-grade", 210, pieces(3, Due.NOW_OR_NEVER, 900)), history))


def run(budget: int | None = None) -> Run:
    return Run("r", "grades", "schedule", NOW, budget=budget)


def test_a_snapshot_is_never_lost_for_a_history_that_does_not_fit() -> None:
    """I3: 62 calls would be 1.054; the snapshot and the oldest 55 of its siblings are what a run may cost."""
    found = fit_caps(workspace(), run(), new_list(), whole=False)
    assert (found.calls, found.amount_atomic) == (58, 986_000)
    assert [line.calls for line in found.lines] == [3, 55]
    assert (len(found.postponed), found.refusal) == (4, None)
    assert min(one.age for one in found.postponed) > max(one.age for one in found.lines[1].items)


def test_a_whole_bill_that_does_not_fit_stays_whole_and_says_which_cap_refuses() -> None:
    found = fit_caps(workspace(), run(), new_list(), whole=True)
    assert (found.calls, found.postponed) == (62, ())
    assert found.refusal is not None
    assert found.refusal.what == "caps.USDC.per_run is 1 USDC: 0 USDC are committed and 1.054 USDC more were asked"
    assert [cap.name for cap in found.caps if cap.refuses] == ["caps.USDC.per_run"]


def test_a_listing_that_can_not_be_bought_to_its_end_is_not_begun() -> None:
    """Half of a snapshot is none."""
    first, *rest = pieces(3, Due.NOW_OR_NEVER, 900)
    newest = Line("trading-signals", 1, pieces(1, Due.NEWEST, 50))
    bill = Bill("f", USDC, (Line("moonshot-tokens", 1, (first,), later=tuple(rest)), newest))
    found = fit_caps(workspace(day=5_000_000 - 2 * PRICE), run(), bill, whole=False)
    assert [line.calls for line in found.lines] == [0, 1]
    assert len(found.postponed) == 3
    assert found.refusal is not None
    assert "caps.USDC.per_day" in found.refusal.what


def test_a_bill_of_which_nothing_fits_is_refused() -> None:
    found = fit_caps(workspace(month=50_000_000), run(), new_list(), whole=False)
    assert (found.calls, found.postponed) == (62, ())
    assert found.refusal is not None


def test_a_whole_bill_once_begun_goes_on_as_far_as_was_approved() -> None:
    found = fit_caps(workspace(), run(budget=5 * PRICE), new_list(), whole=True, begun=True)
    assert (found.calls, len(found.postponed)) == (5, 57)
    assert found.refusal is not None
    assert found.refusal.what.startswith("the approved amount is 0.085 USDC")


def test_bills_of_one_command_stand_beside_each_other_in_the_caps_they_share() -> None:
    found = fit_caps(workspace(day=100_000), run(), new_list(1), whole=False, beside=Beside(200_000))
    committed = {cap.name.rpartition(".")[2]: (cap.committed, cap.after) for cap in found.caps}
    assert committed["per_day"] == (300_000, 300_000 + 4 * PRICE)
    assert committed["per_flow_day"] == (0, 4 * PRICE)
    assert committed["per_call"] == (0, PRICE)


@pytest.mark.parametrize("gaps", [0, 59])
def test_without_what_can_wait_only_the_urgent_is_left(gaps: int) -> None:
    found = urgent_only(new_list(gaps))
    assert (found.calls, len(found.postponed)) == (3, gaps)
