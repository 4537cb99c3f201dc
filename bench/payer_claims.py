"""Figures from a cheap stand-in seller: calls side by side, and claims of many purchases that never came."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.payer_desk import each
from bench.payer_stand_in import PRICE, StandInChain, piece, policy, stand_in
from bench.rows import Row
from payer.buy.lease import new_lease
from payer.context import PayerContext
from payer.http.transport import HttpTransport
from payer.ledger import Ledger
from payer.ledger.reserve import PricedOrder
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.values.chain_view import NotSeen, Settlement
from payer.values.clock import SystemClock
from payer.values.events import Sent, Signed
from payer.values.identifiers import nonce, purchase_key
from payer.values.purchase import Purchase
from payer.values.request import Order, Run
from payer.wallet.eip3009 import Wallet
from payer.wallet.sign import authorize
from tests.payer import purchases as p
from tests.payer.scripted import KEY
from tests.payer.sdk_client import ReferenceClient

_CLAIMS = 1000
_AT_ONCE = 8
_HALF_SECOND = 0.5


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder, stand_in() as url:
        yield from asyncio.run(_side_by_side(Path(folder), url))
        yield asyncio.run(_claims(Path(folder), url))


class StandInDesk:
    """The real payer, ledger and HTTP; a stand-in seller and chain."""

    def __init__(self, ledger: Ledger, url: str, first: int = 0) -> None:
        self.url, self._made = url, first
        clock = SystemClock()
        rules = parse_policy(policy(url))
        self.transport = HttpTransport(rules, clock)
        self.context = PayerContext(ledger, rules, StandInChain(), self.transport, Wallet(KEY), clock)
        self.payer = Payer(self.context)

    def pieces(self, count: int, wait: float = 0.0) -> list[Order]:
        self._made += count
        return [piece(self.url, number, wait=wait) for number in range(self._made - count, self._made)]

    async def buy(self, wanted: list[Order], at_once: int) -> float:
        """Seconds per call, from request to durable body."""
        run = Run(uuid.uuid4().hex, "bench", "manual", self.context.clock.now())
        self.context.ledger.start_run(run)
        approved = await self.payer.approve(run, wanted, await self.payer.quote(wanted))

        async def one(purchase: Purchase) -> None:
            await self.payer.buy(purchase, approved.views.get(purchase.purchase_id, NotSeen.UNREAD))

        began = time.perf_counter()
        await each(one, approved.purchases, at_once)
        return (time.perf_counter() - began) / len(wanted)


async def _side_by_side(folder: Path, url: str) -> list[Row]:
    token = {"chain_id": p.USDC.chain_id, "address": p.USDC.address}
    with Ledger.open(f"sqlite:///{folder}/side-by-side.db") as ledger:
        desk = StandInDesk(ledger, url)
        async with desk.transport, ReferenceClient("0x" + KEY.hex(), token) as peer:

            async def reference(wanted: list[Order], at_once: int) -> float:
                began = time.perf_counter()
                await each(_fetch(peer), wanted, at_once)
                return (time.perf_counter() - began) / len(wanted)

            await desk.buy(desk.pieces(3), 1)
            await reference(desk.pieces(3), 1)
            quick = [(await desk.buy(desk.pieces(20), 1), await reference(desk.pieces(20), 1)) for _ in range(10)]
            faster = []
            for buy in (desk.buy, reference):
                one = await buy(desk.pieces(6, _HALF_SECOND), 1)
                faster.append((one, await buy(desk.pieces(32, _HALF_SECOND), _AT_ONCE)))
    (one, eight), (other, other_eight) = faster
    mine, theirs = (min(times) * 1000 for times in zip(*quick, strict=True))
    seller = "a stand-in seller that settles nothing"
    return [
        Row(
            "a client's own time per call",
            f"{mine:.1f} ms",
            f"{theirs:.1f} ms",
            mine / theirs,
            note=f"{seller}, answers at once",
        ),
        Row(
            "8 at once against serial, seller takes 500 ms",
            f"{one / eight:.1f} ×",
            f"{other / other_eight:.1f} ×",
            eight / one,
            1 / 6,
            f"ratio: time per call at 8 ÷ serial; {seller}",
        ),
    ]


def _fetch(peer: ReferenceClient):  # type: ignore[no-untyped-def]
    async def one(order: Order) -> None:
        if await peer.get(order) is None:
            raise RuntimeError("the SDK's client got no data")

    return one


async def _claims(folder: Path, url: str) -> Row:
    """Ours, ledger and all, against 1,000 bare requests by httpx, as many at once."""
    with Ledger.open(f"sqlite:///{folder}/claims.db") as ledger:
        desk = StandInDesk(ledger, url)
        async with desk.transport:
            context = replace(desk.context, chain=StandInChain(_leave_open(desk)))
            began = time.perf_counter()
            recovered = await Payer(context).recover()
            took = time.perf_counter() - began
    if len(recovered.delivered) != _CLAIMS:
        raise RuntimeError(f"only {len(recovered.delivered)} were claimed")
    bare = await _bare(url)
    note = "stand-in seller and chain: on the sandbox's, each would have to be settled first"
    ours, floor = f"{took:.1f} s", f"{bare:.1f} s for 1,000 bare GETs"
    return Row("time to claim 1,000 open purchases", ours, floor, took / bare, note=note)


def _leave_open(desk: StandInDesk) -> dict[str, Settlement]:
    """Book 1,000 purchases as signed and sent, their answers lost; what the chain will show of them."""
    context, now = desk.context, desk.context.clock.now()
    wanted = [_wanted(context, order) for order in desk.pieces(_CLAIMS)]
    run = Run("bench", "bench", "manual", now)
    bought = context.ledger.reserve(run, wanted, context.policy.caps, new_lease(context))
    batch = []
    for one in bought:
        assert one.terms is not None
        authorization = authorize(context.policy, one.terms, payer=one.payer, nonce=one.nonce, now=now)
        batch.append((one, [Signed(at=now, authorization=authorization, terms=one.terms), Sent(at=now)]))
    context.ledger.append_all(batch)
    block = "0x" + "bb" * 32
    return {one.nonce: Settlement(one.nonce, 9, block, datetime.now(UTC), p.PAYEE, PRICE, final=True) for one in bought}


def _wanted(context: PayerContext, order: Order) -> PricedOrder:
    wallet = context.signer()
    name = nonce(wallet.nonce_secret, p.USDC, purchase_key(order.request, order.edition), 0)
    return PricedOrder(order, p.USDC, wallet.address, {0: name}, PRICE, p.terms(PRICE), 7)


async def _bare(url: str) -> float:
    """The floor: the same requests, nothing written, nothing signed."""
    async with httpx.AsyncClient(headers={"payment-signature": "x" * 900}) as client:

        async def one(number: int) -> None:
            (await client.get(f"{url}/v2/item", params={"n": number})).raise_for_status()

        began = time.perf_counter()
        await each(one, range(_CLAIMS), _AT_ONCE)
        return time.perf_counter() - began
