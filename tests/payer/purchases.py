"""Purchases in every state, built by folding real events."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from payer.ledger.reserve import PricedOrder
from payer.policy.rules import Caps
from payer.values.addresses import checksum
from payer.values.chain_view import Settlement
from payer.values.events import Delivered, Event, Intent, LossAccepted, Sent, Settled, Signed, Undelivered, Void, fold
from payer.values.identifiers import nonce, purchase_id, purchase_key
from payer.values.money import Asset
from payer.values.purchase import Lease, Purchase
from payer.values.request import Order, Request, Run
from payer.values.terms import Authorization, Terms

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
USDC = Asset("USDC", 31337, checksum("0x" + "aa" * 20), "USD Coin", "2", 6)
PAYER = "0x" + "11" * 20
PAYEE = "0x" + "22" * 20
SECRET = b"s" * 32
PRICE = 20_000
WINDOW = 120
VALID_BEFORE = int(NOW.timestamp()) + WINDOW
CAPS = {"USDC": Caps(100_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000)}
LEASE = Lease("tests", NOW + timedelta(seconds=60))


def order(number: int = 0, **changes: object) -> Order:
    request = Request("GET", "http://127.0.0.1:9/v2/tm-grade", (("token_id", str(number)),))
    fields: dict[str, object] = {"request": request, "edition": "final", "seller": "s", "dataset": "tm-grade"}
    return Order(**{**fields, **changes})  # type: ignore[arg-type]


def run(name: str = "run-1", *, flow: str = "grades", budget: int | None = None, at: datetime = NOW) -> Run:
    return Run(name, flow, "manual", at, budget=budget)


def terms(amount: int = PRICE) -> Terms:
    return Terms(2, USDC, PAYEE, amount, 300, "{}")


def nonces(key: str) -> Mapping[int, str]:
    return {generation: nonce(SECRET, USDC, key, generation) for generation in range(4)}


def wanted(number: int = 0, amount: int = PRICE, **changes: object) -> PricedOrder:
    piece = order(number, **changes)
    key = purchase_key(piece.request, piece.edition)
    free = piece.free
    return PricedOrder(piece, USDC, PAYER, nonces(key), 0 if free else amount, None if free else terms(amount), 7)


def blank(number: int = 0) -> Purchase:
    piece = order(number)
    key = purchase_key(piece.request, piece.edition)
    return Purchase(purchase_id(key, 0), key, 0, piece, run(), USDC, PAYER, nonces(key)[0], NOW)


def authorization(purchase: Purchase, amount: int = PRICE, valid_before: int = VALID_BEFORE) -> Authorization:
    return Authorization(USDC, PAYER, PAYEE, amount, valid_before - WINDOW - 60, valid_before, purchase.nonce)


def intent(purchase: Purchase) -> Intent:
    return Intent(at=NOW, order=purchase.order, run=purchase.run, reserved=PRICE, terms=terms(), from_block=7)


def signed(purchase: Purchase, amount: int = PRICE, valid_before: int = VALID_BEFORE) -> Signed:
    return Signed(at=NOW, authorization=authorization(purchase, amount, valid_before), terms=terms(amount))


def settlement(*, final: bool = True, value: int = PRICE, block_hash: str = "0x" + "bb" * 32) -> Settlement:
    return Settlement("0x" + "cc" * 32, 9, block_hash, NOW, PAYEE, value, final)


def delivered(status: int = 200, body: bytes = b"{}") -> Delivered:
    sha256 = hashlib.sha256(body).hexdigest()
    said = "application/json"
    return Delivered(at=NOW, status=status, content_type=said, sha256=sha256, size=len(body), received_at=NOW)


def after(purchase: Purchase, *events: Event) -> Purchase:
    for event in events:
        purchase = fold(purchase, event)
    return purchase


def reserved() -> Purchase:
    return after(blank(), intent(blank()))


def exposed(*, sends: int = 1) -> Purchase:
    p = after(reserved(), signed(blank()))
    return after(p, *[Sent(at=NOW)] * sends)


def exposed_delivered() -> Purchase:
    return after(exposed(), delivered())


def spent(*, final: bool = True) -> Purchase:
    return after(exposed(), Settled(at=NOW, settlement=settlement(final=final)))


def spent_delivered(*, final: bool = True) -> Purchase:
    return after(spent(final=final), delivered())


def claimed(times: int) -> Purchase:
    return after(spent(), *[Sent(at=NOW, claim=True)] * times)


def undelivered(*, claims: int = 0, final: bool = True) -> Purchase:
    claimed = after(spent(final=final), *[Sent(at=NOW, claim=True)] * claims)
    return after(claimed, Undelivered(at=NOW, reason="every claim failed"))


def accepted(lost: Purchase | None = None) -> Purchase:
    return after(lost or undelivered(), LossAccepted(at=NOW, by="a person"))


def reserved_again() -> Purchase:
    return after(void(), intent(blank()))


def void_delivered() -> Purchase:
    return after(exposed_delivered(), Void(at=NOW, reason="expired", proof_block=9))


def void() -> Purchase:
    return after(exposed(), Void(at=NOW, reason="expired", proof_block=9))


def burned() -> Purchase:
    return after(exposed(), Void(at=NOW, reason="cancelled", proof_block=9, burned=True))
