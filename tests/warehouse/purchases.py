"""Delivered purchases in a real ledger, without a seller."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.ledger.reserve import PricedOrder
from payer.policy.rules import Caps
from payer.values.chain_view import Settlement
from payer.values.events import Answered, Delivered, Sent, Settled, Signed
from payer.values.identifiers import nonce, purchase_key
from payer.values.purchase import Lease, Purchase
from payer.values.request import Order, Request
from payer.values.terms import Authorization
from sources.planner.pieces import Piece
from tests.payer import purchases as p
from tests.warehouse.deliveries import DAY, T0, grades, pieces

LIMITLESS = {"USDC": Caps(*[10**15] * 5)}


def open_ledger(home: Path) -> Ledger:
    (home / "state").mkdir(parents=True, exist_ok=True)
    return Ledger.open(f"sqlite:///{home}/state/ledger.db")


def buy(
    ledger: Ledger, piece: Piece, body: bytes, at: datetime, *, flow: str = "signals", settled: bool = True
) -> Purchase:
    """One purchase of 0.02 USDC with all its steps in the ledger."""
    request = Request(piece.method, "http://127.0.0.1:9" + piece.path, piece.params)
    order = Order(request, piece.edition, piece.seller, piece.dataset, piece.context())
    key = purchase_key(request, piece.edition)
    lease = Lease("tests", at)
    run = p.run(f"run-{at:%Y%m%dT%H%M%S%f}-{key[:6]}", flow=flow, at=at)
    item = PricedOrder(order, p.USDC, p.PAYER, {0: nonce(p.SECRET, p.USDC, key, 0)}, p.PRICE, p.terms(), 1)
    [wanted] = ledger.reserve(run, [item], LIMITLESS, lease)
    seconds = int(at.timestamp())
    signed = Authorization(p.USDC, p.PAYER, p.PAYEE, p.PRICE, seconds - 60, seconds + 60, wanted.nonce)
    sent = ledger.append(wanted, Signed(at=at, authorization=signed, terms=p.terms()), Sent(at=at))
    delivered = Delivered(
        at=at,
        status=200,
        content_type="application/json",
        sha256=hashlib.sha256(body).hexdigest(),
        size=len(body),
        received_at=at,
    )
    answered = Answered(at=at, status=200, elapsed_ms=30)
    held = ledger.append(sent, answered, delivered, body=Body(body, "application/json"))
    if not settled:
        return held
    proof = Settlement("0x" + key, 9, "0x" + "bb" * 32, at, p.PAYEE, p.PRICE, final=True)
    return ledger.append(held, Settled(at=at, settlement=proof))


def buy_history(
    ledger: Ledger, body: bytes, tokens: list[int], first: datetime, last: datetime, at: datetime
) -> Purchase:
    """A tm-grade-history window, bought once."""
    [piece] = pieces("tm-grade-history", [str(token) for token in tokens], first, last, at)
    return buy(ledger, replace(piece), body, at, flow="grades")


def buy_day(ledger: Ledger, number: int) -> None:
    """One day of two tokens: all in one month, so that there is always something to compact."""
    when = T0 - DAY * (number % 19)
    buy_history(ledger, grades([number, 10_000], when, 1), [number, 10_000], when, when, T0 + number * DAY)
