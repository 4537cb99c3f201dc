"""Look for everything that may need a person, in one pass: balance, caps, losses, doubt, freezes, prices, what `doctor`
checks, late data, and publications that were not sent. Pays nothing, signs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from payer.ledger.refused_sellers import Freeze
from payer.values.errors import ChainUnreachable, Frozen, PaidUndelivered, Refused, Unresolved, worst
from payer.values.money import Amount, Asset
from payer.values.purchase import Money, Purchase
from payer.values.terms import Quote
from tasks.buy.caps import CapLine
from tasks.health.doctor import run_checks
from tasks.health.finding import Check, Finding, Severity
from tasks.ops.status import money_text, read_status
from tasks.request.counted import counted
from tasks.workspace.workspace import Workspace
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import BadAddress
from warehouse.bucket.local_set import identity_of
from warehouse.bucket.memory import BucketMemory
from warehouse.query import query

CHECKS = ("disk", "ledger", "published", "chain", "token")
"""The checks of `doctor` that may begin to fail by themselves, beside those of each seller's terms and of clocks."""

LATE = """
    SELECT dataset, count(*) AS keys, min(key) AS example, min(expected_at) AS expected_at
    FROM quality_keys WHERE late GROUP BY dataset ORDER BY dataset
"""

_ORDER = tuple(reversed(Severity))


@dataclass(frozen=True, slots=True)
class Health:
    """All findings at one time, the most severe first."""

    at: datetime
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        return worst([finding.exit_code for finding in self.findings])

    def document(self) -> dict[str, Any]:
        critical = any(finding.severity is Severity.CRITICAL for finding in self.findings)
        return {
            "at": self.at.isoformat(),
            "healthy": not critical,
            "findings": [finding.document() for finding in self.findings],
        }


async def check_health(ws: Workspace) -> Health:
    """Read ledger, chain, sellers' terms (one unpaid request each), disk and the published file."""
    now, status = ws.clock.now(), await ws.in_thread(read_status, ws)
    found = [
        *losses(status.undelivered, status.failed),
        *in_doubt(status.open, now),
        *freezes(status.frozen),
        *caps(status.caps),
        *prices(await ws.in_thread(lambda: ws.ledger.quotes())),
        *await _balances(ws, now),
        *failed_checks(await run_checks(ws, CHECKS)),
        *await ws.in_thread(late, ws.home),
        *unsent(ws.home, ws.settings.publish_url),
    ]
    return Health(now, ordered(found))


def ordered(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The most severe first, each key once."""
    by_key = {finding.key: finding for finding in reversed(found)}
    return tuple(sorted(by_key.values(), key=lambda finding: (_ORDER.index(finding.severity), finding.key)))


async def _balances(ws: Workspace, now: datetime) -> list[Finding]:
    """Ask the chain what the wallet holds. A chain that doesn't answer is the check's finding, not an empty wallet."""
    if not ws.has_wallet:
        return []
    found: list[Finding] = []
    purchases = await ws.in_thread(lambda: ws.ledger.purchases())
    for asset in ws.policy.assets.values():
        rate = daily_rate(purchases, asset, now)
        if not rate:
            continue
        try:
            held = await ws.payer.context.chain.balance(asset, ws.wallet.address)
        except ChainUnreachable:
            continue
        found += balance(asset, held, rate)
    return found


def late(home: Path) -> Iterator[Finding]:
    """Find datasets with late keys; none before the first publication."""
    try:
        _, rows = query(home, LATE)
    except FileNotFoundError:
        return
    for dataset, keys, example, expected_at in rows:
        since = f", due since {expected_at:%Y-%m-%d %H:%M} UTC" if expected_at else ", never delivered"
        more = "" if keys == 1 else f" and {keys - 1} more"
        text = f"{dataset}: {example}{more} late{since}"
        advice = f"see quality_keys; `tollbook run {dataset}` buys what is due"
        yield Finding("late", dataset, Severity.WARNING, text, advice)


def failed_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Turn each check that failed into a critical finding; one that passed with advice is a warning."""
    for check in checks:
        if check.ok and not check.fix:
            continue
        severity = Severity.WARNING if check.ok else Severity.CRITICAL
        kind, _, subject = check.name.partition(" ")
        text = f"{subject}: {check.detail}" if subject not in check.detail else check.detail
        yield Finding(kind, subject or kind, severity, text, check.fix, exit_code=check.exit_code)


def unsent(home: Path, publish_url: str | None) -> Iterator[Finding]:
    """Find a publication that readers elsewhere don't have, with since when and what to do."""
    if publish_url is None:
        return
    try:
        url = parse_address(publish_url).url
    except BadAddress as error:
        yield Finding("publish", "TOLLBOOK_PUBLISH", Severity.WARNING, f"TOLLBOOK_PUBLISH: {error.what}", error.advice)
        return
    published = home / "published"
    state = BucketMemory(published, url).state()
    shown = f"; readers there see that of {state.sent_at}" if state.sent_at else "; nothing was ever sent there"
    if state.problem is not None:
        text = f"not sent to object storage since {state.since}: {state.problem}{shown}"
        advice = f"{state.advice}; the next publication, or `tollbook publish`, sends all that is missing"
        yield Finding("publish", url, Severity.WARNING, text, advice)
    elif state.version is not None and state.identity != identity_of(published):
        text = f"the newest publication was not sent to {url} yet{shown}"
        yield Finding("publish", url, Severity.NOTICE, text, "the next publication, or `tollbook publish`, sends it")


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
        if cap.percent < CAP_STEPS[-1][0]:
            continue
        step, severity = next((step, severity) for step, severity in CAP_STEPS if cap.percent >= step)
        text = f"{cap.name}: {cap.text(cap.committed)} of {cap.text(cap.limit)} committed, {cap.percent} %"
        full = "nothing more is signed under it until the period ends; raise it if that is wrong"
        yield Finding("cap", cap.name, severity, text, full if step == CAP_STEPS[0][0] else "", str(step))


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
