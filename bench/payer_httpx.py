"""PaidTransport behind an ordinary httpx client, beside the official client: the same stand-in seller, in turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.payer_stand_in import StandInChain, piece, policy, stand_in
from bench.rows import Row
from payer.context import PayerContext
from payer.http.transport import HttpTransport
from payer.ledger import Ledger
from payer.paid_transport.transport import PaidTransport
from payer.policy.file import parse_policy
from payer.values.clock import SystemClock
from payer.values.request import Order
from payer.wallet.eip3009 import Wallet
from tests.payer import purchases as p
from tests.payer.sdk_client import ReferenceClient

KEY = b"\x11" * 32
_CALLS, _ROUNDS = 20, 8
_SELLER = "a stand-in seller that settles nothing"

Buy = Callable[[list[Order]], Coroutine[Any, Any, None]]


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder, stand_in() as url:
        yield from asyncio.run(_side_by_side(Path(folder), url))


async def _side_by_side(folder: Path, url: str) -> list[Row]:
    clock, rules = SystemClock(), parse_policy(policy(url))
    token = {"chain_id": p.USDC.chain_id, "address": p.USDC.address}
    with Ledger.open(f"sqlite:///{folder}/httpx.db") as ledger:
        transport = HttpTransport(rules, clock)
        context = PayerContext(ledger, rules, StandInChain(), transport, Wallet(KEY), clock)
        paid, known = (PaidTransport(rules, context=context, ask_first=first) for first in (True, False))
        peer = ReferenceClient("0x" + KEY.hex(), token)
        async with (
            transport,
            httpx.AsyncClient(transport=paid) as http,
            httpx.AsyncClient(transport=known) as quick,
            peer,
        ):

            async def theirs(orders: list[Order]) -> None:
                for order in orders:
                    if await peer.get(order) is None:
                        raise RuntimeError("the SDK's client got no data")

            ways: list[Buy] = [_through(http), theirs, _through(quick)]
            times: list[list[float]] = [[] for _ in (*ways, "kept")]
            number = 0
            for _ in range(_ROUNDS):
                for way, took in zip(ways, times, strict=False):
                    orders = [piece(url, number + each) for each in range(_CALLS)]
                    number += _CALLS
                    took.append(await _timed(way, orders))
                times[3].append(await _timed(_through(http), orders))
    ours, other, without_asking, kept = (min(each) * 1000 for each in times)
    return [
        _row("a get that pays, through httpx", ours, other, f"asked unpaid first, as the SDK's; {_SELLER}"),
        _row("the same, terms known: `ask_first=False`", without_asking, other, "one round trip"),
        _row("the same request again: the kept body", kept, other, "no request at all; the SDK's client pays again"),
    ]


def _through(client: httpx.AsyncClient) -> Buy:
    async def buy(orders: list[Order]) -> None:
        for order in orders:
            answer = await client.get(order.request.url, params=list(order.request.params))
            answer.raise_for_status()

    return buy


async def _timed(buy: Buy, orders: list[Order]) -> float:
    """Seconds per call, one after another."""
    began = time.perf_counter()
    await buy(orders)
    return (time.perf_counter() - began) / len(orders)


def _row(measure: str, ours: float, theirs: float, note: str) -> Row:
    return Row(measure, f"{ours:.1f} ms", f"{theirs:.1f} ms", ours / theirs, note=note)
