"""The payer's way to its sellers: to those that policy names, no faster than each allows, and once when it pays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.parse import quote, urlsplit

from payer.http.exchange import Exchange
from payer.http.gate import Gate, retry_after
from payer.http.outcome import Answer, NotSent, Unanswered
from payer.http.pace import Pace
from payer.http.pool import Pool
from payer.policy.rules import Policy, SellerPolicy, is_private_enough, origin
from payer.values.clock import Clock
from payer.values.request import Request

PAYMENT_HEADERS = frozenset({"x-payment", "payment-signature"})
_BUSY = frozenset({429, 500, 502, 503, 504})
_BACKOFF_SECONDS = (0.5, 1.0, 2.0)
_REPEATABLE = frozenset({"GET", "HEAD"})


class Transport(Protocol):
    """What the payer needs of HTTP; the simulator has its own."""

    def turn(self, request: Request) -> AbstractAsyncContextManager[None]:
        """The seller's limits and pauses waited for. What is sent to it inside the block waits for nothing more, so a
        payment is signed there: outside, its validity would run while it waits."""
        ...

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        """One answer, or NotSent, or NoAnswer."""
        ...


class HttpTransport:
    """Transport over httpx with kept connections. Only origins that policy names are ever connected to.

    A paid request is sent once, whatever comes. An unpaid one is repeated when the seller is busy (429, 5xx) or silent,
    after what Retry-After asks for or a growing pause with jitter. Processes that share the folder `paces` keep a
    seller's requests_per_minute together; without one each keeps it alone.
    """

    def __init__(self, policy: Policy, clock: Clock, *, seed: int | None = None, paces: Path | None = None) -> None:
        self._sellers = sorted(policy.sellers.values(), key=lambda seller: -len(seller.base_url))
        self._clock = clock
        self._paces = paces
        self._jitter = random.Random(seed)
        self._gates: dict[str, Gate] = {}
        self._pool = Pool(secure=any(seller.base_url.startswith("https:") for seller in self._sellers))
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def turn(self, request: Request) -> AsyncIterator[None]:
        try:
            gate = self._gate(self._seller(request.url))
        except NotSent:  # which `send` says again, where the purchase learns of it
            yield
            return
        async with gate:
            yield

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        seller = self._seller(request.url)
        paid = any(name.lower() in PAYMENT_HEADERS for name in headers)
        pauses = () if paid or request.method.upper() not in _REPEATABLE else _BACKOFF_SECONDS
        for pause in pauses:
            result = await self._through_gate(seller, request, headers, timeout)
            if isinstance(result, Answer) and result.status not in _BUSY:
                return result
            if not self._heed(seller, result):
                await self._clock.sleep(pause * self._jitter.uniform(0.5, 1.5))
        result = await self._through_gate(seller, request, headers, timeout)
        self._heed(seller, result)
        if isinstance(result, Answer):
            return result
        del headers  # a traceback may print local variables, and these pay (I10)
        raise result

    def _heed(self, seller: SellerPolicy, result: Answer | Unanswered) -> bool:
        """Whether the seller said when to come back; then all its callers wait for that."""
        if not isinstance(result, Answer) or result.status not in _BUSY:
            return False
        seconds = retry_after(result.headers.get("retry-after"), self._clock.now())
        if seconds is None:
            return False
        self._gates[seller.name].pause(seconds)
        return True

    def _seller(self, url: str) -> SellerPolicy:
        """Whose limits count: of several sellers at one origin, the one with the longest base_url that fits."""
        if not is_private_enough(urlsplit(url)):
            raise NotSent("plain http is for this machine only")
        here = [seller for seller in self._sellers if seller.origin == origin(url)]
        if not here:
            raise NotSent("policy names no seller at this origin")
        return next((seller for seller in here if url.startswith(seller.base_url)), here[0])

    async def _through_gate(
        self, seller: SellerPolicy, request: Request, headers: Mapping[str, str], timeout: float
    ) -> Answer | Unanswered:
        gate, exchange = self._gate(seller), Exchange(self._pool.open(), request, headers, seller.body_bytes)
        if gate.is_passed:
            return await exchange.run(timeout)
        async with gate:
            return await exchange.run(timeout)

    def _gate(self, seller: SellerPolicy) -> Gate:
        """The seller's gate in the running loop, whose lock it holds."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._gates = loop, {}
        if seller.name not in self._gates:
            self._gates[seller.name] = Gate(self._clock, seller.parallel, self._pace(seller))
        return self._gates[seller.name]

    def _pace(self, seller: SellerPolicy) -> Pace | None:
        if not seller.requests_per_minute:
            return None
        path = None if self._paces is None else self._paces / quote(seller.name, safe="")
        return Pace(seller.requests_per_minute, path)

    async def aclose(self) -> None:
        """Close kept connections; the transport may be used again afterwards."""
        await self._pool.aclose()

    async def __aenter__(self) -> HttpTransport:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
