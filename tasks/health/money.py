"""Findings about money: the wallet's balance, caps, losses, doubt, freezes and prices. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from payer.ledger.operator.freezes import Freeze
from payer.values.errors import Frozen, PaidUndelivered, Refused, Unresolved
from payer.values.money import Amount, Asset
from payer.values.purchase import Money, Purchase
from payer.values.terms import Quote
from tasks.buy.caps import CapLine
from tasks.health.finding import Finding, Severity
from tasks.ops.status import money_text
from tasks.request.counted import counted

RATE_DAYS = 7
"""Days over which the rate of spending is measured."""
SOON_DAYS = 7
PATIENCE = timedelta(hours=1)
"""Money in doubt for longer than this is told: by then an authorization has expired, and the chain can say."""
CAP_STEPS = ((100, Severity.CRITICAL), (80, Severity.WARNING), (50, Severity.NOTICE))
"""Percent of a cap, and the severity of having committed as much."""


def daily_rate(purchases: Iterable[Purchase], asset: Asset, now: datetime) -> int:
    """Atomic units spent a day over the last RATE_DAYS, or since the first purchase if that is later."""
    ours = [p for p in purchases if p.asset == asset and p.cost]
    recent = [p for p in ours if now - p.created_at <= timedelta(days=RATE_DAYS)]
    if not recent:
        return 0
    age = now - min(p.created_at for p in ours)
    days = min(float(RATE_DAYS), max(1.0, age / timedelta(days=1)))
    return int(sum(p.cost for p in recent) / days)


def balance(asset: Asset, held: int, rate: int) -> Iterator[Finding]:
    """Find a wallet that lasts for less than a week at the current rate; below a day it is critical."""
    if not rate or held >= rate * SOON_DAYS:
        return
    days = held / rate
    severity = Severity.CRITICAL if held < rate else Severity.WARNING
    text = (
        f"the wallet holds {Amount(held, asset)}, enough for {days:.1f} days at {Amount(rate, asset)} a day, the rate "
        f"of the last {RATE_DAYS} days"
    )
    code = Refused.exit_code if severity is Severity.CRITICAL else 0
    yield Finding("balance", asset.symbol, severity, text, "top the wallet up", exit_code=code)


def caps(limits: Iterable[CapLine]) -> Iterator[Finding]:
    """Find caps of which at least half is committed."""
    for cap in limits:
        percent = 100 if not cap.limit else 100 * cap.committed // cap.limit
        reached = next(((step, severity) for step, severity in CAP_STEPS if percent >= step), None)
        if reached is None:
            continue
        step, severity = reached
        held, limit = Amount(cap.committed, cap.asset), Amount(cap.limit, cap.asset)
        advice = (
            ""
            if step < CAP_STEPS[0][0]
            else "nothing more is signed under it until the period ends; raise it if that is wrong"
        )
        yield Finding(
            "cap", cap.name, severity, f"{cap.name}: {held} of {limit} committed, {percent} %", advice, str(step)
        )


def losses(undelivered: Iterable[Purchase], failed: Iterable[Purchase]) -> Iterator[Finding]:
    """Find purchases that were paid and brought nothing that can be used, a finding a seller and kind."""
    for kind, purchases, words in (
        ("undelivered", undelivered, "paid and never delivered"),
        ("failed-delivery", failed, "paid, and delivered what can't be used"),
    ):
        for seller, lost in sorted(_by_seller(purchases).items()):
            text = f"{seller}: {counted(len(lost), 'purchase')} {words}, {_total(lost)}"
            advice = "see `tollbook status`; `tollbook accept-loss` lets them be bought again"
            code = PaidUndelivered.exit_code
            yield Finding(kind, seller, Severity.CRITICAL, text, advice, str(len(lost)), code)


def in_doubt(purchases: Iterable[Purchase], now: datetime) -> Iterator[Finding]:
    """Find money that was sent more than an hour ago and is proved neither spent nor void."""
    old = [p for p in purchases if p.money is Money.EXPOSED and now - p.created_at > PATIENCE]
    for seller, doubtful in sorted(_by_seller(old).items()):
        text = f"{seller}: {counted(len(doubtful), 'purchase')} in doubt for longer than an hour, {_total(doubtful)}"
        advice = "run `tollbook recover`: it asks the chain and the seller"
        yield Finding("in-doubt", seller, Severity.WARNING, text, advice, str(len(doubtful)), Unresolved.exit_code)


def freezes(frozen: Iterable[Freeze]) -> Iterator[Finding]:
    """Find sellers that an operator froze."""
    for freeze in frozen:
        text, fix = freeze.text, freeze.refusal().fix
        yield Finding("frozen", freeze.seller, Severity.WARNING, text, fix, exit_code=Frozen.exit_code)


def prices(quotes: Iterable[Quote]) -> Iterator[Finding]:
    """Find endpoints whose price is not the base that an operator accepted."""
    for quote in quotes:
        base, now, asset = quote.fixed_base, quote.terms.amount, quote.terms.asset
        if now == base:
            continue
        severity = Severity.WARNING if now > base else Severity.NOTICE
        text = f"{quote.endpoint} costs {Amount(now, asset)}; the accepted base is {Amount(base, asset)}"
        advice = "`tollbook accept-price` makes it the base, if it is right"
        yield Finding("price", quote.endpoint, severity, text, advice, str(now))


def _by_seller(purchases: Iterable[Purchase]) -> dict[str, list[Purchase]]:
    found: dict[str, list[Purchase]] = {}
    for purchase in purchases:
        found.setdefault(purchase.order.seller, []).append(purchase)
    return found


def _total(purchases: Iterable[Purchase]) -> str:
    return money_text((purchase.asset, purchase.committed) for purchase in purchases)
