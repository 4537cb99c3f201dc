"""Everything that is read from the ledger: purchases, deliveries, costs, quotes and payees."""

from __future__ import annotations

from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.ledger.database.rows import is_open
from payer.values.events import Sent, Settled
from payer.values.terms import Quote
from tests.payer import purchases as p
from tests.payer.purchases import bought


def test_a_delivery_is_readable_with_its_request_and_context(ledger: Ledger) -> None:
    """I4: the body as it arrived, byte for byte, before anything parsed it."""
    garbage = b"\x00<html>" * 1000
    [reserved] = ledger.reserve(p.run(), [p.wanted(context={"keys": ["3375"], "first": 1})], p.CAPS, p.LEASE)
    sent = ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    ledger.append(sent, p.delivered(body=garbage), body=Body(garbage, "text/html"))
    [delivery] = ledger.deliveries()
    assert (delivery.body, delivery.request, dict(delivery.context)) == (
        garbage,
        reserved.order.request,
        {"keys": ["3375"], "first": 1},
    )
    assert ledger.delivery_index() == [(delivery.seq, delivery.purchase_id)]
    assert ledger.delivery_index(after=delivery.seq) == []


def test_cost_rows_carry_every_purchase_once_and_only_what_changed_since(ledger: Ledger) -> None:
    """I5."""
    ids = [bought(ledger, number) for number in range(3)]
    rows = list(ledger.cost_rows())
    assert sorted(row.purchase_id for row in rows) == sorted(ids)
    assert {(row.money, row.amount_atomic, row.latency_ms, row.attempts) for row in rows} == {
        ("exposed", p.PRICE, 41, 1)
    }
    mark = ledger.last_seq()
    one = ledger.get(ids[1])
    assert one is not None
    ledger.append(one, Settled(at=p.NOW, settlement=p.settlement()))
    [changed] = ledger.cost_rows(changed_after=mark)
    assert (changed.purchase_id, changed.money, changed.verified_on_chain) == (ids[1], "spent", True)


def test_avoided_calls_are_kept_with_their_price_then(ledger: Ledger) -> None:
    run = p.run()
    entry = {
        "run_id": run.run_id, "flow": run.flow, "deployment": None, "flow_run_id": None, "reason": "manual",
        "dataset": "tm-grade", "request": "GET x", "edition": "final", "network": "eip155:31337", "asset": "USDC",
        "decimals": 6, "price_atomic": None, "at": p.NOW,
    }  # fmt: skip
    ledger.note_avoided([entry, {**entry, "price_atomic": 10**20}], run)
    assert [row.price_atomic for row in ledger.avoided_rows()] == [None, 10**20]


def test_the_newest_quote_of_an_endpoint_counts(ledger: Ledger) -> None:
    for amount in (1, 2):
        ledger.put_quote(Quote("GET http://h/x", "s", p.terms(amount), p.NOW))
    found = ledger.quote("GET http://h/x", p.USDC)
    assert found is not None
    assert found.terms.amount == 2


def test_the_first_payee_stays_pinned(ledger: Ledger) -> None:
    assert ledger.pin_payee("s", p.USDC, p.PAYEE, p.NOW) == p.PAYEE
    assert ledger.pin_payee("s", p.USDC, p.PAYER, p.NOW) == p.PAYEE


def test_open_purchases_are_those_with_something_left_to_do() -> None:
    states = [p.reserved(), p.exposed(), p.exposed_delivered(), p.spent(), p.spent_delivered(final=False)]
    assert all(is_open(state) for state in states)
    assert not any(is_open(state) for state in (p.spent_delivered(), p.undelivered(), p.void(), p.burned()))
