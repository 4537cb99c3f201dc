"""One paid world in a process of its own, and the two buyers at its seller: tollbook's payer and the SDK's client."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar

from payer.chain.reader import RpcChain
from payer.context import PayerContext
from payer.http.transport import HttpTransport
from payer.ledger import Ledger
from payer.ledger.database import statements
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.values.chain_view import NotSeen
from payer.values.clock import SystemClock
from payer.values.crashpoints import crash_point
from payer.values.errors import PayerError
from payer.values.purchase import Purchase
from payer.values.request import Order, Run
from payer.wallet.eip3009 import Wallet
from tests.payer.desk import orders
from tests.payer.sdk_client import ReferenceClient
from tests.worlds import WorldProcess

T = TypeVar("T")
_buyers = itertools.count(1)
AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds per paid call: from request to durable body, of the run around it, of the ledger in that run."""

    call: float
    run: float
    ledger: float = 0.0
    commits: float = 0.0


class Market:
    """The world, and how to make it slow, faulty, or count."""

    def __init__(self, world: WorldProcess, folder: Path) -> None:
        self.world, self.folder = world, folder
        self._pieces = itertools.count(1)

    def set(self, **settings: Any) -> None:
        self.world.control("/settings", **settings)

    def fault(self, name: str, **params: Any) -> None:
        self.world.control("/faults", name=name, **params)

    def calm(self) -> None:
        self.world.control("/reset", post=True)

    def visits(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.world.control("/visits")
        return found

    def pieces(self, count: int) -> list[Order]:
        """That many orders that nobody has bought yet."""
        return [orders(self.policy(), 1, first=next(self._pieces))[0] for _ in range(count)]

    def policy(self, **seller: object) -> str:
        text = Path(self.world.env["TOLLBOOK_POLICY"]).read_text()
        text = re.sub(r"(?m)^(per_run|per_flow_day|per_day|per_month) = .*$", r'\1 = "900.00"', text)
        lines = "".join(f"{key} = {value}\n" for key, value in {"loss_limit": '"900"', **seller}.items())
        return text.replace("[sellers.tokenmetrics]\n", f"[sellers.tokenmetrics]\n{lines}")

    def buyer(self) -> tuple[str, str]:
        """Address and key of a new funded wallet."""
        made = self.world.control("/buyer", name=f"bench-{next(_buyers)}")
        return made["address"], made["env"]["TOLLBOOK_PRIVATE_KEY"]

    def paid(self, address: str) -> int:
        """Number of times the chain took money from a wallet."""
        topics = [AUTHORIZATION_USED, "0x" + "00" * 12 + address[2:].lower()]
        return len(self.world.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "topics": topics}))


@contextmanager
def market() -> Iterator[Market]:
    with TemporaryDirectory() as folder, WorldProcess(Path(folder) / "world") as world:
        yield Market(world, Path(folder))


class Tollbook:
    """The payer as a run uses it: quoted, approved, bought, proved; every step durable before the next."""

    def __init__(self, market: Market, **seller: object) -> None:
        self.address, key = market.buyer()
        self.policy = parse_policy(market.policy(**seller))
        self._clock = SystemClock()
        self._wallet = Wallet(bytes.fromhex(key.removeprefix("0x")))
        self.ledger = Ledger.open(f"sqlite:///{market.folder}/{self.address}.db")

    async def __aenter__(self) -> Self:
        chain, transport = RpcChain(self.policy, self._clock), HttpTransport(self.policy, self._clock)
        self.context = PayerContext(self.ledger, self.policy, chain, transport, self._wallet, self._clock)
        self.payer = Payer(self.context)
        self._close = [chain.aclose, transport.aclose]
        self._books = Commits()
        self._books.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._books.__exit__()
        for close in self._close:
            await close()
        self.ledger.close()

    async def buy(self, wanted: Sequence[Order], *, at_once: int = 1) -> Round:
        started, count, spent = time.perf_counter(), self._books.count, self._books.seconds
        run = Run(uuid.uuid4().hex, "bench", "manual", self._clock.now())
        self.ledger.start_run(run)
        approved = await self.payer.approve(run, wanted, await self.payer.quote(wanted))
        bought: list[Purchase] = []

        async def one(purchase: Purchase) -> None:
            bought.append(await self.payer.buy(purchase, approved.views.get(purchase.purchase_id, NotSeen.UNREAD)))

        began = time.perf_counter()
        await each(one, approved.purchases, at_once)
        ended = time.perf_counter()
        await self.payer.verify(bought)
        whole, books = time.perf_counter() - started, self._books
        per_call = [value / len(wanted) for value in (ended - began, whole, books.seconds - spent, books.count - count)]
        return Round(*per_call)

    async def try_hard(self, order: Order, tries: int) -> None:
        """Do what a scheduler's retries do: run again."""
        for _ in range(tries):
            try:
                await self.buy([order])
            except PayerError:
                await self.payer.recover()


class Reference(ReferenceClient):
    """The SDK's client: nothing durable, nothing asked of the chain."""

    def __init__(self, market: Market, *, timeout: float = 60.0, limit: int | None = None) -> None:
        self.address, key = market.buyer()
        policy = parse_policy(market.policy())
        asset = policy.asset_for("tokenmetrics")
        super().__init__(key, {"chain_id": asset.chain_id, "address": asset.address}, timeout=timeout, limit=limit)

    async def buy(self, wanted: Sequence[Order], *, at_once: int = 1) -> Round:
        async def one(order: Order) -> None:
            if await self.get(order) is None:
                raise RuntimeError("the SDK's client got no data")

        began = time.perf_counter()
        await each(one, wanted, at_once)
        seconds = (time.perf_counter() - began) / len(wanted)
        return Round(seconds, seconds)


async def each(work: Callable[[T], Awaitable[None]], items: Sequence[T], at_once: int) -> None:
    """All of them, so many at a time."""
    places = asyncio.Semaphore(at_once)

    async def one(item: T) -> None:
        async with places:
            await work(item)

    await asyncio.gather(*(one(item) for item in items))


CRASH_POINT = crash_point.__name__
"""The name by which `statements` calls it at each commit."""


class Commits:
    """Counts the ledger's durable commits and the time spent in its calls, while it is entered."""

    NAMES = ("append", "append_all", "reserve", "start_run", "put_quote", "find_each", "get", "quote", "payee")

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0

    def __enter__(self) -> Self:
        self._point, self._methods = crash_point, {name: getattr(Ledger, name) for name in self.NAMES}
        setattr(statements, CRASH_POINT, self._reached)
        for name, method in self._methods.items():
            setattr(Ledger, name, self._timed(method))
        return self

    def __exit__(self, *_: object) -> None:
        setattr(statements, CRASH_POINT, self._point)
        for name, method in self._methods.items():
            setattr(Ledger, name, method)

    def _reached(self, name: str) -> None:
        self.count += name == "committed"

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began

        return timed
