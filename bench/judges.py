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
from tests.payer.desk import PRICE

TITLE = "Judges: tollbook beside x402[httpx] 2.25.0, by hostile-facilitator 0.2.2 and x402-conformance 1.6.0"
_TRIES = 2
_LIMIT = 100_000
"""The most that the SDK's client may pay for one call; ours has the same in its policy."""
_SECONDS = 4
"""A buyer's patience, longer than the seller's with its facilitator."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One purchase's result: authorizations signed, transfers on the chain, the day's cap, the judge's word."""

    signed: int
    paid: int
    crossed: bool
    passed: bool
    note: str = ""

    def __str__(self) -> str:
        crossed = ", cap crossed" if self.crossed else ""
        return f"{self.signed} signed, {self.paid} paid{crossed}{self.note}: {'pass' if self.passed else 'FAIL'}"


def rows() -> Iterator[Row]:
    with court() as place:
        for mode in load("hostile_facilitator").ALL_MODES:
            yield _row(f"hostile-facilitator: {mode}", [_under(place, mode, name) for name in ("ours", "peer")])
        for name, rule in RULES.items():
            assert name in load("x402conf.spec").CATALOG, "a rule that is no longer listed"
            figures = [_by_rule(place, Double(_token(place), rule), buyer) for buyer in ("ours", "peer")]
            yield _row(f"x402-conformance {name}: {rule.says}", figures)


def _row(measure: str, figures: list[Figure]) -> Row:
    ours, peer = figures
    ratio = ours.signed / peer.signed if peer.signed else None
    fine = ours.passed and not ours.crossed
    return Row(measure, str(ours), str(peer), ratio if fine else 9.0, 1.0)


def _under(place: Court, mode: str, buyer: str) -> Figure:
    """One purchase in one of the judge's modes. The verdict is the judge's: at most one distinct payment, and one where
    it hides nothing. Where it lies to those who ask what landed, the figure says if nobody asked."""
    with place.judged(mode) as judge:
        address, _ = asyncio.run(_buy(place, buyer))
    paid, signed = place.paid(address), judge.distinct_payments
    fewest = 1 if mode in ("clean", "declared_safe", "slow_answer") else 0
    asked = "" if judge.reconcile_calls or not place.reads_are_lied_about(mode) else ", never asked the chain"
    return Figure(signed, paid, _crosses(paid), fewest <= signed <= 1, asked)


def _by_rule(place: Court, seller: Double, buyer: str) -> Figure:
    with serving(seller) as url:
        _, got_body = asyncio.run(_buy(place.at(f"{url}/v2"), buyer))
    return Figure(len(seller.nonces), 0, False, seller.rule.kept(seller, got_body))


async def _buy(place: Court, buyer: str) -> tuple[str, bool]:
    """The wallet, and whether the body came."""
    [order] = place.pieces(1)
    if buyer == "peer":
        async with Reference(place, timeout=float(_SECONDS), limit=_LIMIT) as peer:
            return peer.address, await peer.get(order, tries=_TRIES) is not None
    async with Tollbook(place, timeout_seconds=_SECONDS) as ours:
        await ours.try_hard(order, _TRIES)
        found = ours.ledger.find(purchase_key(order.request, order.edition))
        return ours.address, found is not None and found.data is Data.DELIVERED


def _crosses(payments: int) -> bool:
    return payments * PRICE > parse_decimal(CAP, 6)


def _token(place: Court) -> str:
    return parse_policy(place.policy()).asset_for("tokenmetrics").address
