"""One call in words: the state of money and data, the same from the ledger and from the published costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from payer.ledger.costs import _cost_row
from payer.ledger.read import Change
from payer.values.events import Answered, DeliveryFailed, Denied, Void
from payer.values.ledger_reads import AvoidedRow
from payer.values.purchase import Purchase
from tasks.calls.call import WatchedCall, of_avoided, of_change, of_cost
from tests.payer import purchases as p
from tests.payer.ledger.test_avoided import entry

ANSWERED = Answered(at=p.NOW, status=500, elapsed_ms=1, note="out of order")
STATES = {
    "reserved": p.reserved(),
    "sent": p.exposed(),
    "in doubt": p.after(p.exposed(), ANSWERED),
    "delivered": p.exposed_delivered(),
    "settled": p.spent_delivered(),
    "claiming": p.spent(),
    "undelivered": p.undelivered(),
    "failed": p.after(p.spent_delivered(), DeliveryFailed(at=p.NOW, reason="no rows")),
    "free": p.void_delivered(),
    "refused": p.after(p.reserved(), Denied(at=p.NOW, reason="payTo is a stranger")),
    "void": p.void(),
}


def told(purchase: Purchase) -> WatchedCall:
    return of_change(Change(7, p.NOW + timedelta(seconds=1), "sent", purchase))


def as_published(purchase: Purchase) -> dict[str, Any]:
    """The row of the published costs about it."""
    row = _cost_row(7, purchase, None)
    fields: dict[str, Any] = {name: getattr(row, name) for name in row.__slots__}
    free = row.money == "void" and row.data == "delivered"
    times = {"created_at": row.created_at.isoformat(), "block_time": row.block_time and row.block_time.isoformat()}
    return {**fields, **times, "money": "free" if free else row.money}


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_its_word(state: str) -> None:
    assert told(STATES[state]).state.value == state


@pytest.mark.parametrize("state", [name for name in STATES if name != "sent"])
def test_a_row_of_the_published_costs_says_the_same(state: str) -> None:
    from_ledger, from_costs = told(STATES[state]), of_cost(as_published(STATES[state]))
    for name in ("state", "amount", "tx_hash", "purchase_id", "flow", "dataset", "money", "bought"):
        theirs, ours = getattr(from_costs, name), getattr(from_ledger, name)
        assert theirs == ours or (name, theirs) == ("money", "free"), name


def test_what_may_need_a_person_says_why() -> None:
    assert told(STATES["in doubt"]).why == "500: out of order"
    assert told(STATES["failed"]).why == "no rows"
    assert told(STATES["refused"]).why == "payTo is a stranger"
    assert told(STATES["settled"]).why is None


def test_money_that_can_no_longer_move_is_no_amount() -> None:
    assert told(p.after(p.exposed(), Void(at=p.NOW, reason="expired", proof_block=9))).amount == "0 USDC"
    assert told(p.exposed()).amount == "0.02 USDC"


def test_a_cached_call_says_what_it_saved_or_that_this_is_unknown() -> None:
    row = AvoidedRow(seq=3, **entry())
    assert (of_avoided(row).amount, of_avoided(row).state.value) == ("0.017 USDC", "cached")
    unknown = AvoidedRow(seq=3, **{**entry(), "price_atomic": None})
    assert of_avoided(unknown).amount == "unknown"
    assert of_avoided(unknown).document()["amount_atomic"] is None


def test_a_transaction_has_a_link_where_its_chain_has_an_explorer() -> None:
    settled = told(STATES["settled"])
    assert settled.tx_hash
    assert settled.tx_url is None
    row = {**as_published(STATES["settled"]), "network": "eip155:8453"}
    assert of_cost(row).tx_url == f"https://basescan.org/tx/{settled.tx_hash}"
    assert of_cost({**row, "tx_hash": None}).tx_url is None
