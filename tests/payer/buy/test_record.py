"""A seller's claim of a payment is compared with it, kept as evidence, and never shown as a transaction."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from payer.buy.record import read_answer
from payer.ledger import Ledger
from payer.values.events import Answered, Settled
from payer.values.purchase import Purchase
from tests.payer import purchases as p
from tests.payer import scripted as s

CLAIM = "0x" + "dd" * 32


def read(purchase: Purchase, **receipt: object) -> Answered:
    document = {"success": True, "transaction": CLAIM, "network": p.USDC.network, "payer": p.PAYER, **receipt}
    headers = {"payment_response": s.encoded({name: value for name, value in document.items() if value is not None})}
    [answered, *_] = read_answer(purchase, s.answer(200, b"{}", **headers), p.NOW).events
    assert isinstance(answered, Answered)
    return answered


@pytest.mark.parametrize("left_out", [None, "payer", "network"])
def test_a_receipt_about_our_payment_is_kept_as_a_claim(left_out: str | None) -> None:
    answered = read(p.exposed(), **({} if left_out is None else {left_out: None}))
    assert (answered.receipt_tx, answered.note) == (CLAIM, "")


def test_a_payer_may_be_written_in_either_case() -> None:
    assert read(p.exposed(), payer=p.PAYER.upper().replace("0X", "0x")).receipt_tx == CLAIM


def test_a_v1_receipt_names_the_network_as_its_terms_do() -> None:
    terms = replace(p.terms(), version=1, accepted='{"network":"sandbox"}')
    assert read(changed(p.exposed(), terms=terms), network="sandbox").receipt_tx == CLAIM


@pytest.mark.parametrize(
    ("field", "value"),
    [("payer", "0x" + "99" * 20), ("payer", ""), ("network", "eip155:1"), ("network", "base")],
)
def test_a_receipt_about_another_payment_claims_nothing_and_is_noted(field: str, value: str) -> None:
    answered = read(p.exposed(), **{field: value})
    assert answered.receipt_tx is None
    assert answered.note.startswith(f"the receipt names another {field}: ")


def test_a_transaction_is_shown_in_the_costs_once_the_chain_has_shown_it(ledger: Ledger) -> None:
    [purchase] = ledger.reserve(p.run(), [p.wanted()], p.CAPS, p.LEASE)
    claimed = ledger.append(purchase, Answered(at=p.NOW, status=200, elapsed_ms=1, receipt_tx=CLAIM))
    [row] = ledger.cost_rows()
    assert (row.tx_hash, row.verified_on_chain) == (None, False)
    ledger.append(claimed, Settled(at=p.NOW, settlement=p.settlement()))
    [row] = ledger.cost_rows()
    assert (row.tx_hash, row.verified_on_chain) == (p.settlement().tx_hash, True)
