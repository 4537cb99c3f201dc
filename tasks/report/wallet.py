"""The caps of today and this month, and how long the wallet's balance lasts. Needs no key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from payer.chain.reader import RpcChain
from payer.ledger.caps import limits
from payer.values.errors import ChainUnreachable, LedgerUnavailable, Misconfigured
from payer.values.money import Amount, Asset
from tasks.buy.caps import CapLine
from tasks.health.check import daily_rate
from tasks.ops.status import read_status
from tasks.request.counted import counted
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

CHAIN_SECONDS = 8
"""Seconds for which the chain is waited for: without its answer the balance is unknown, and the page is made."""


@dataclass(frozen=True, slots=True)
class WalletBalance:
    """The wallet's holding of an asset, and its spending a day; `held` and `days` are None where that is unknown."""

    asset: str
    wallet: str
    held: str | None
    rate: str
    days: int | None

    @property
    def lasts(self) -> str:
        """Say in words how long it lasts."""
        if self.held is None:
            return "unknown"
        if self.days is None:
            return "nothing was spent lately"
        return counted(self.days, "day", group=",") if self.days else "less than a day"


@dataclass(frozen=True, slots=True)
class Funds:
    """Caps and balances; `why_not` says why they are unknown. `per_day` has the day's cap by asset symbol."""

    caps: tuple[CapLine, ...] = ()
    balances: tuple[WalletBalance, ...] = ()
    per_day: tuple[tuple[str, str], ...] = ()
    why_not: str | None = None


async def read_funds(ws: Workspace, wallets: Iterable[str], flows: Iterable[str]) -> Funds:
    """Read caps from policy and ledger, and the balance of the wallet that bought last from the chain.

    `flows` are those whose cap of a day is shown.
    """
    try:
        caps = await ws.in_thread(_caps, ws, tuple(flows))
        assets, wallet = ws.policy.assets, next(iter(wallets), None)
        per_day = tuple((name, Amount(each.per_day, assets[name]).decimal) for name, each in ws.policy.caps.items())
        balances = [await _balance(ws, asset, wallet) for asset in assets.values()] if wallet else []
        return Funds(caps, tuple(balances), per_day)
    except (LedgerUnavailable, Misconfigured) as error:
        return Funds(why_not=str(error).strip().splitlines()[0])


def _caps(ws: Workspace, flows: tuple[str, ...]) -> tuple[CapLine, ...]:
    of_flows = [cap for asset in ws.policy.assets.values() for flow in flows for cap in _flow_cap(ws, asset, flow)]
    return (*read_status(ws).caps, *of_flows)


def _flow_cap(ws: Workspace, asset: Asset, flow: str) -> list[CapLine]:
    """The cap of one flow and today, where the flow has committed something."""
    if asset.symbol not in ws.policy.caps:
        return []
    held, run = ws.ledger.committed(asset), new_run(flow, "report", ws.clock.now())
    found = limits(ws.policy.caps[asset.symbol], run, asset, "")
    return [
        CapLine(f"{each.key}/{flow}", asset, each.amount, held[each.bucket], held[each.bucket])
        for each in found
        if each.bucket[0] == "flow_day" and held.get(each.bucket)
    ]


def cap_words(key: str) -> str:
    """Say what a policy key limits: "caps.USDC.per_flow_day/grades" is "grades, today"."""
    key, _, flow = key.partition("/")
    period = "today" if key.endswith("_day") else "this month"
    seller = key.split(".")[1] if key.startswith("sellers.") else ""
    return ", ".join(word for word in (flow or seller, period) if word)


async def _balance(ws: Workspace, asset: Asset, wallet: str) -> WalletBalance:
    now = ws.clock.now()
    rate = await ws.in_thread(lambda: daily_rate(ws.ledger.purchases(), asset, now))
    held = await _held(ws, asset, wallet)
    text = None if held is None else Amount(held, asset).decimal
    days = held // rate if held is not None and rate else None
    return WalletBalance(asset.symbol, wallet, text, Amount(rate, asset).decimal, days)


async def _held(ws: Workspace, asset: Asset, wallet: str) -> int | None:
    """The chain's answer, through a reader of its own: the workspace's would load the key."""
    chain = RpcChain(ws.policy, ws.clock)
    try:
        async with asyncio.timeout(CHAIN_SECONDS):
            return await chain.balance(asset, wallet)
    except (ChainUnreachable, TimeoutError):
        return None
    finally:
        await chain.aclose()
