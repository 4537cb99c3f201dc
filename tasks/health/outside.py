"""Checks of what others hold and answer: the wallet's balance beside the coming day's bills, each seller's terms,
everybody's clock beside ours, and the object storage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from payer.policy.clock_skew import CLOCK_ADVICE, NOTED_SECONDS, offset_text, window_of
from payer.values.errors import PayerError, Refused
from payer.values.money import Amount, Asset
from sources import registry
from tasks.bucket.publish_remote import known_home_id
from tasks.health.finding import Check, failed_check
from tasks.ops.forecast import runs_ahead
from tasks.ops.probe import NothingDeclared, probe
from tasks.reference.catalogue import resolve_keys
from tasks.request.schedules import Schedule
from tasks.workspace.workspace import Workspace
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import BucketError
from tollbook_bucket.store import open_bucket
from warehouse.bucket.send import read_pointer

BALANCE = "balance"


@dataclass(frozen=True, slots=True)
class ExpectedBill:
    """A coming run and what it is to cost, in atomic units of its asset: at the last quoted prices, and at most."""

    at: datetime
    flow: str
    asset: Asset
    amount_atomic: int


async def expected_bills(ws: Workspace, schedules: Sequence[Schedule]) -> list[ExpectedBill]:
    """Forecast the bills of the coming day, in the order of time. A flow whose keys can't be known now is left out."""
    bills: list[ExpectedBill] = []
    for schedule in schedules:
        if schedule.active and schedule.flow in registry.feeds():
            with suppress(PayerError):
                ws.asset(registry.dataset(registry.feeds()[schedule.flow].datasets[0]).seller)
                named = await resolve_keys(ws, schedule.tokens)
                async for at, _, run in runs_ahead(ws, [schedule], [named], days=1):
                    bills.append(ExpectedBill(at, run.flow, run.asset, run.at_most_atomic))
    return sorted(bills, key=lambda bill: bill.at)


def grade_balance(asset: Asset, held: int, bills: Sequence[ExpectedBill]) -> Check:
    """Fail a balance below the next run's bill, and warn of one below a day's bills. Pure."""
    ours = [bill for bill in bills if bill.asset == asset and bill.amount_atomic]
    holds = Amount(held, asset)
    if not ours:
        return Check(BALANCE, True, f"{holds}, and no schedule is to buy anything in the coming day")
    coming, day = ours[0], sum(bill.amount_atomic for bill in ours)
    if held < coming.amount_atomic:
        when = f"{coming.flow} at {coming.at:%Y-%m-%d %H:%M} UTC"
        text = f"{holds}, and the next run ({when}) is to cost {Amount(coming.amount_atomic, asset)}"
        return Check(BALANCE, False, text, "top the wallet up: it can't pay the next run", Refused.exit_code)
    if held < day:
        text = f"{holds}, and the coming day is to cost {Amount(day, asset)}"
        return Check(BALANCE, True, text, "top the wallet up: it holds less than a day's expected bills")
    return Check(BALANCE, True, f"{holds}, enough for {held // day} days at the coming day's {Amount(day, asset)}")


ANY_PAYEE = '; pay_to = "any": nothing checks who is paid, only the caps bound it (docs/policy.md)'


async def sellers(ws: Workspace) -> list[Check]:
    """Check each seller's terms with one unpaid request."""
    found = []
    for name in ws.policy.sellers:
        try:
            results = await probe(ws, name, limit=1)
        except NothingDeclared as error:
            found.append(Check(f"seller {name}", True, error.what))
            continue
        except PayerError as error:
            found.append(failed_check(f"seller {name}", error))
            continue
        for result in results:
            words = result.words + (ANY_PAYEE if ws.policy.sellers[name].any_payee else "")
            found.append(Check(f"seller {name}", result.ok, words, result.fix, result.exit_code))
    return found


def clocks(ws: Workspace) -> list[Check]:
    """Compare our clock with those of the answers to the other checks; a seller that told no time is left out.

    Where nearly all differ by the same, our clock is what is off, and that is said once.
    """
    found = []
    readings = sorted(ws.clocks.off.items())
    middle = median(off for _, off in readings) if readings else 0.0
    alike = [name for name, off in readings if abs(off - middle) < 2]
    ours = abs(middle) >= NOTED_SECONDS and len(alike) > 1
    for name, off in readings:
        if ours and name in alike[1:]:
            continue
        whose = f"that of {name}" if name else "the chain server's"
        whose = f"those of {len(alike)} servers" if ours and name in alike else whose
        detail = f"within a second of {whose}" if abs(off) < 1 else f"{offset_text(off)} {whose}"
        fault = ws.clocks.fault(name, window_of(ws.policy, ws.policy.validity_seconds))
        fix = CLOCK_ADVICE if fault or abs(off) >= NOTED_SECONDS else ""
        fault = fault.replace("the seller's", whose) if name else fault
        found.append(Check("clock", not fault, fault or detail, fix, Refused.exit_code if fault else 0))
    return found


async def check_bucket(ws: Workspace) -> Check:
    """Ask the store for the pointer: that shows the address, the credentials, and who publishes there."""
    if ws.settings.publish_url is None:
        return Check("bucket", True, "TOLLBOOK_PUBLISH is not set: publications stay in this home")
    return await asyncio.to_thread(_read_bucket, ws, ws.settings.publish_url)


def _read_bucket(ws: Workspace, given: str) -> Check:
    try:
        bucket = open_bucket(parse_address(given), ws.store_variables)
        current = read_pointer(bucket).current
    except BucketError as error:
        return Check("bucket", False, f"TOLLBOOK_PUBLISH: {error.what}", error.advice, error.exit_code)
    if current is None:
        return Check("bucket", True, f"{bucket.url} can be read; nothing is published there yet")
    by = "this home" if current.publisher.home == known_home_id(ws.home) else f"a home on {current.publisher.host}"
    return Check("bucket", True, f"{bucket.url}: version {current.sequence} of {current.published_at}, by {by}")
