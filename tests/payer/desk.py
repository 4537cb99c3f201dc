"""A buyer at work: the real payer over real sockets, put together from plain values so that any process can."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

from payer.chain.reader import RpcChain
from payer.context import PayerContext
from payer.http.transport import HttpTransport
from payer.ledger import Ledger
from payer.ledger.owners import new_owner
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.settle.recover import Recovered
from payer.values.chain_view import NotSeen
from payer.values.errors import PayerError
from payer.values.identifiers import purchase_key
from payer.values.purchase import Delivery, Purchase
from payer.values.request import Order, Request, Run
from payer.wallet.eip3009 import Wallet

T = TypeVar("T")
SELLER = "tokenmetrics"
PRICE = 17_000
"""The price of one call of `trading-signals` in the sandbox."""


class HurriedClock:
    """World time, in which nobody sleeps for long: pauses between attempts are the payer's, not the tests'."""

    def __init__(self, offset: Callable[[], float] = lambda: 0.0) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._offset())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.02))


def orders(
    policy: str,
    count: int,
    *,
    first: int = 1,
    endpoint: str = "trading-signals",
    edition: str = "final",
    headers: Sequence[tuple[str, str]] = (),
) -> list[Order]:
    """That many pieces of one endpoint, a row each; the same numbers are the same pieces everywhere."""
    base = parse_policy(policy).sellers[SELLER].base_url
    sent = (("x-coinbase-402", "true"), *headers)
    pages = range(first, first + count)
    return [
        Order(
            Request(
                "GET", f"{base}/{endpoint}", (("limit", "1"), ("page", str(page)), ("token_id", "3375")), b"", sent
            ),
            edition,
            SELLER,
            endpoint,
        )
        for page in pages
    ]


def check_body(delivery: Delivery) -> str:
    """Judge a body as a dataset's declaration would: a web page can't be used."""
    return "malformed: not JSON" if delivery.body.startswith(b"<") else ""


class Desk:
    """One machine: a wallet, a ledger, a policy. What it buys is what a run buys: quote, approve, buy, verify."""

    def __init__(self, policy: str, key: str, ledger_url: str, clock: HurriedClock | None = None) -> None:
        self.policy_text = policy
        self.policy = parse_policy(policy)
        self.clock = clock or HurriedClock()
        self.wallet = Wallet(bytes.fromhex(key.removeprefix("0x")))
        self.ledger = Ledger.open(ledger_url)
        self.owner = new_owner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.ledger.close()

    def work(self, work: Callable[[Payer], Awaitable[T]]) -> T:
        """Do something with the payer; sockets are opened and closed around it."""

        async def open_desk() -> T:
            chain = RpcChain(self.policy, self.clock)
            async with HttpTransport(self.policy, self.clock) as transport:
                parts = (self.ledger, self.policy, chain, transport, self.wallet, self.clock, self.owner)
                context = PayerContext(*parts, check_body=check_body)
                try:
                    return await work(Payer(context))
                finally:
                    await chain.aclose()

        return asyncio.run(open_desk())

    def buy(self, wanted: Sequence[Order], **run: object) -> list[PayerError]:
        """One run over the orders, side by side; what was raised."""
        return self.work(lambda payer: buy(payer, wanted, self.new_run(**run)))

    def recover(self) -> Recovered:
        return self.work(lambda payer: payer.recover())

    def new_run(self, *, flow: str = "signals", budget: int | None = None) -> Run:
        return Run(uuid.uuid4().hex, flow, "manual", self.clock.now(), budget=budget)

    def found(self, order: Order) -> Purchase:
        """The purchase that an order became, as the ledger has it now."""
        purchase = self.ledger.find(purchase_key(order.request, order.edition))
        assert purchase is not None, "the ledger knows nothing of this order"
        return purchase

    def body(self, order: Order) -> bytes:
        """Read the body that was delivered for an order."""
        [delivery] = self.ledger.deliveries(purchase_ids={self.found(order).purchase_id})
        return delivery.body


async def buy(payer: Payer, wanted: Sequence[Order], run: Run) -> list[PayerError]:
    """Quote, approve, buy in parallel, verify. Errors are collected: one call's trouble never stops another."""
    raised: list[PayerError] = []
    payer.context.ledger.start_run(run)
    try:
        approved = await payer.approve(run, wanted, await payer.quote(wanted))
    except PayerError as error:
        return [error]

    async def one(purchase: Purchase) -> None:
        try:
            await payer.buy(purchase, approved.views.get(purchase.purchase_id, NotSeen.UNREAD))
        except PayerError as error:
            raised.append(error)

    await asyncio.gather(*(one(purchase) for purchase in approved.purchases))
    latest = [payer.context.ledger.get(purchase.purchase_id) for purchase in approved.purchases]
    await payer.verify([purchase for purchase in latest if purchase is not None])
    return raised
