"""A transport and a server on loopback, and the outcome of one paid request between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from payer.http.exchange import Answer, NoAnswer, Unanswered
from payer.http.transport import HttpTransport
from payer.policy.file import parse_policy
from payer.values.clock import Clock, SystemClock
from payer.values.request import Request
from tests.payer.loopback import Loopback, Script, Wire, serving
from tests.payer.offers import POLICY_TOML

PAYMENT = {"PAYMENT-SIGNATURE": "c2VjcmV0LXBheW1lbnQtaGVhZGVy"}
BODY_LIMIT = 100_000


def transport_to(url: str, *, clock: Clock | None = None, extra: str = "") -> HttpTransport:
    """A transport whose policy names one seller at this address."""
    line = f'base_url = "{url}"\nbody_bytes = {BODY_LIMIT}\n{extra}'
    rules = parse_policy(POLICY_TOML.replace('base_url = "https://api.tokenmetrics.com/v2"', line))
    return HttpTransport(rules, SystemClock() if clock is None else clock, seed=1)


@asynccontextmanager
async def reaching(script: Script, **settings: Any) -> AsyncIterator[tuple[Loopback, HttpTransport]]:
    async with serving(script) as server, transport_to(server.url, **settings) as transport:
        yield server, transport


def pay(script: Script, *, timeout: float = 5.0) -> tuple[Answer | Unanswered, Loopback]:
    """Send one paid request to such a server; what came back or was raised, and what the server saw."""

    async def run() -> tuple[Answer | Unanswered, Loopback]:
        async with reaching(script) as (server, transport):
            try:
                return await transport.send(Request("GET", server.url + "/x"), PAYMENT, timeout=timeout), server
            except Unanswered as outcome:
                return outcome, server

    return asyncio.run(run())


def answered(script: Script) -> Answer:
    outcome, _ = pay(script)
    assert isinstance(outcome, Answer)
    return outcome


def lost(script: Script, *, timeout: float = 5.0) -> NoAnswer:
    """The payment may have left: asserted, since freeing its money would be the mistake."""
    outcome, _ = pay(script, timeout=timeout)
    assert type(outcome) is NoAnswer
    return outcome


async def closes_after_reading(wire: Wire) -> None:
    await wire.request()
