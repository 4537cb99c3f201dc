"""Look for everything that may need a person, in one pass. Pays nothing, signs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payer.values.errors import ChainUnreachable, worst
from tasks.health import data, machine, money, remote
from tasks.health.doctor import run_checks
from tasks.health.finding import Finding, Severity
from tasks.ops.status import read_status
from tasks.workspace.workspace import Workspace

CHECKS = ("disk", "ledger", "published", "chain", "token")
"""The checks of `doctor` that may begin to fail by themselves, beside those of each seller's terms and of clocks."""

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
        *machine.failed_checks(await run_checks(ws, CHECKS)),
        *await ws.in_thread(data.late, ws.home),
        *remote.unsent(ws.home, ws.settings.publish_url),
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
