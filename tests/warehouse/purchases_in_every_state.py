"""A ledger with a purchase in every state, in two assets, around the end of a month: every sum has to agree on it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.ledger.reserve import PricedOrder
from payer.policy.rules import Caps
from payer.values.chain_view import Settlement
from payer.values.events import Answered, Delivered, Event, Sent, Settled, Signed, Undelivered, Void
from payer.values.identifiers import nonce, purchase_key
from payer.values.money import Asset
from payer.values.purchase import Lease, Purchase
from payer.values.request import Order, Request
from payer.values.terms import Authorization, Terms
from tests.payer import purchases as p
from tests.warehouse.deliveries import grades, pieces

TMAI = Asset("TMAI", 31337, "0x" + "Cc" * 20, "TokenMetrics", "1", 18)
LIMITLESS = {symbol: Caps(*[10**37] * 5) for symbol in ("USDC", "TMAI")}
MONTH_END = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
ODD = 1_234_567_890_123_000_000_000_000_000_007
"""An 18-decimals amount of 31 digits: more than decimal arithmetic keeps unless it is told to."""


def fill(ledger: Ledger) -> None:
    """Twelve purchases of 1 to 12 thousand atoms, and one of an odd amount of another asset."""
    spent = [_sent, _delivered, _settled]
    _buy(ledger, 1, spent, MONTH_END - 24 * HOUR)
    _buy(ledger, 2, spent, MONTH_END, settled_after=HOUR)
    _buy(ledger, 3, spent, MONTH_END + HOUR)
    _buy(ledger, 4, [_sent, _void], MONTH_END)
    _buy(ledger, 5, [_sent], MONTH_END)
    _buy(ledger, 6, [], MONTH_END + HOUR)
    _buy(ledger, 7, [_sent, _settled, _undelivered], MONTH_END)
    _buy(ledger, 8, [_sent, _delivered], MONTH_END)
    _buy(ledger, 9, [_sent, _settled], MONTH_END)
    _buy(ledger, 10, spent, MONTH_END, asset=TMAI, amount=ODD)
    _buy(ledger, 11, [_sent], MONTH_END, asset=TMAI)
    _buy(ledger, 12, spent, MONTH_END + HOUR, asset=TMAI, amount=1, flow="signals")


def _buy(
    ledger: Ledger,
    number: int,
    steps: list[object],
    at: datetime,
    *,
    asset: Asset = p.USDC,
    amount: int | None = None,
    flow: str = "grades",
    settled_after: timedelta = timedelta(minutes=1),
) -> Purchase:
    """One window of one token, taken through these steps."""
    day = datetime(2026, 9, 1, tzinfo=UTC)
    [piece] = pieces("tm-grade-history", [str(number)], day, day, at)
    request = Request(piece.method, "http://127.0.0.1:9" + piece.path, piece.params)
    order = Order(request, piece.edition, piece.seller, piece.dataset, piece.context())
    atoms = amount or number * 1_000
    key = purchase_key(request, piece.edition)
    terms = Terms(2, asset, p.PAYEE, atoms, 300, "{}")
    item = PricedOrder(order, asset, p.PAYER, {0: nonce(p.SECRET, asset, key, 0)}, atoms, terms, 1)
    run = p.run(f"run-{number}", flow=flow, at=at)
    [purchase] = ledger.reserve(run, [item], LIMITLESS, Lease("tests", at))
    body = grades([number], day, 1)
    for step in steps:
        events, content = step(purchase, terms, at, body, at + settled_after)  # type: ignore[operator]
        purchase = ledger.append(purchase, *events, body=content)
    return purchase


Step = tuple[list[Event], Body | None]


def _sent(purchase: Purchase, terms: Terms, at: datetime, _body: bytes, _later: datetime) -> Step:
    seconds = int(at.timestamp())
    asset = purchase.asset
    signed = Authorization(asset, p.PAYER, p.PAYEE, terms.amount, seconds - 60, seconds + 60, purchase.nonce)
    return [Signed(at=at, authorization=signed, terms=terms), Sent(at=at)], None


def _delivered(_purchase: Purchase, _terms: Terms, at: datetime, body: bytes, _later: datetime) -> Step:
    digest = hashlib.sha256(body).hexdigest()
    kind = "application/json"
    held = Delivered(at=at, status=200, content_type=kind, sha256=digest, size=len(body), received_at=at)
    return [Answered(at=at, status=200, elapsed_ms=30), held], Body(body, kind)


def _settled(purchase: Purchase, terms: Terms, _at: datetime, _body: bytes, later: datetime) -> Step:
    tx = "0x" + purchase.purchase_key
    return [Settled(at=later, settlement=Settlement(tx, 9, "0x" + "bb" * 32, later, p.PAYEE, terms.amount, True))], None


def _undelivered(_purchase: Purchase, _terms: Terms, _at: datetime, _body: bytes, later: datetime) -> Step:
    return [Undelivered(at=later, reason="every claim failed")], None


def _void(_purchase: Purchase, _terms: Terms, _at: datetime, _body: bytes, later: datetime) -> Step:
    return [Void(at=later, reason="expired", proof_block=9)], None
