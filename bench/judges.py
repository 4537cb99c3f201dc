"""Outside judges of x402 clients: `hostile-facilitator`, and the client rules of `x402-conformance`; ours beside the
SDK's client, each with one ordinary retry by the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from bench.judges_court import CAP, Court, court, load, serving
from bench.judges_rules import RULES, Double
from bench.payer_desk import Reference, Tollbook
from bench.rows import Row
from payer.policy.file import parse_policy
from payer.values.identifiers import purchase_key
from payer.values.money import parse_decimal
from payer.values.purchase import Data
from payer.values.request import Order
from tests.payer.desk import PRICE

TITLE = "Judges: tollbook beside x402[httpx] 2.25.0, by hostile-facilitator 0.2.2 and x402-conformance 1.6.0"
_TRIES = 2
_SECONDS = 4
"""A buyer's patience, longer than the seller's with its facilitator."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one purchase came to: authorizations signed, transfers on the chain, the day's cap, the judge's word."""

    signed: int
    paid: int
    crossed: bool
    passed: bool

    def __str__(self) -> str:
        crossed = ", cap crossed" if self.crossed else ""
        return f"{self.signed} signed, {self.paid} paid{crossed}: {'pass' if self.passed else 'FAIL'}"


def rows() -> Iterator[Row]:
    with court() as place:
        modes = load("hostile_facilitator").ALL_MODES
        for mode in modes:
            yield _row(f"hostile-facilitator: {mode}", [_under(place, mode, name) for name in ("ours", "peer")])
        for name, rule in RULES.items():
            basis = load("x402conf.spec").CATALOG[name]["basis"]
            figures = [_by_rule(place, Double(_token(place), rule), buyer) for buyer in ("ours", "peer")]
            yield _row(f"x402-conformance {name}: {basis}", figures)


def _row(measure: str, figures: list[Figure]) -> Row:
    ours, peer = figures
    ratio = ours.signed / peer.signed if peer.signed else None
    fine = ours.passed and not ours.crossed
    return Row(measure, str(ours), str(peer), ratio if fine else 9.0, 1.0)


def _under(place: Court, mode: str, buyer: str) -> Figure:
    """One purchase in one of the judge's modes; the verdict is the judge's: at most one distinct payment."""
    with place.judged(mode) as judge:
        address, _, _ = asyncio.run(_buy(place, buyer))
    paid = place.paid(address)
    return Figure(judge.distinct_payments, paid, _crosses(paid), judge.distinct_payments <= 1)


def _by_rule(place: Court, seller: Double, buyer: str) -> Figure:
    with serving(seller) as url:
        _, _, got_body = asyncio.run(_buy(place.at(f"{url}/v2"), buyer))
    signed = len(seller.nonces)
    return Figure(signed, 0, _crosses(signed), seller.rule.kept(seller, got_body))


async def _buy(place: Court, buyer: str) -> tuple[str, Order, bool]:
    """The wallet, the order, and whether its body came."""
    [order] = place.pieces(1)
    if buyer == "peer":
        async with Reference(place, timeout=float(_SECONDS)) as peer:
            return peer.address, order, await peer.get(order, tries=_TRIES) is not None
    async with Tollbook(place, timeout_seconds=_SECONDS) as ours:
        await ours.try_hard(order, _TRIES)
        found = ours.ledger.find(purchase_key(order.request, order.edition))
        return ours.address, order, found is not None and found.data is Data.DELIVERED


def _crosses(payments: int) -> bool:
    return payments * PRICE > parse_decimal(CAP, 6)


def _token(place: Court) -> str:
    return parse_policy(place.policy()).asset_for("tokenmetrics").address
