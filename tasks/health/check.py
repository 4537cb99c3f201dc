"""Look for everything that may need a person, in one pass. Pays nothing, signs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from payer.values.errors import ChainUnreachable, worst
from tasks.health import money
from tasks.health.doctor import run_checks
from tasks.health.finding import Check, Finding, Severity
from tasks.ops.status import read_status
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
        *money.losses(status.undelivered, status.failed),
        *money.in_doubt(status.open, now),
        *money.freezes(status.frozen),
        *money.caps(status.caps),
        *money.prices(await ws.in_thread(lambda: ws.ledger.quotes())),
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
        rate = money.daily_rate(purchases, asset, now)
        if not rate:
            continue
        try:
            held = await ws.payer.context.chain.balance(asset, ws.wallet.address)
        except ChainUnreachable:
            continue
        found += money.balance(asset, held, rate)
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
