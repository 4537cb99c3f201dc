"""Send requests to the sellers that policy names, no faster than each allows; a paid request exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from payer.http.exchange import Answer, Exchange, NoAnswer, NotSent, Unanswered
from payer.http.gate import Gate, Pace, RequestPace, retry_after
from payer.http.pool import ConnectionPool
from payer.policy.rules import Policy, SellerPolicy, is_https_or_loopback
from payer.values.clock import Clock
from payer.values.request import Request

PAYMENT_HEADERS = frozenset({"x-payment", "payment-signature"})
_BUSY = frozenset({429, 500, 502, 503, 504})
_BACKOFF_SECONDS = (0.5, 1.0, 2.0)
_REPEATABLE = frozenset({"GET", "HEAD"})
_ENDPOINTS_KEPT = 1024


class Transport(Protocol):
    """HTTP as the payer uses it; `HttpTransport` and the simulator implement it."""

    def turn(self, request: Request) -> AbstractAsyncContextManager[None]:
        """Wait for the seller's limits and pauses; requests sent inside the block wait no more.

        Sign a payment inside the block: signed before it, its validity would run out while it waits.
        """

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        """Send a request and return its answer; `timeout` in seconds. Raises NotSent or NoAnswer."""


class HttpTransport:
    """`Transport` over httpx, with kept connections to the origins that policy names and to no others.

    A paid request is sent once, whatever happens. An unpaid one is repeated when the seller is busy (429, 5xx) or does
    not answer as far as its terms, after its Retry-After or a growing pause with jitter. Processes that share `paces`
    share a seller's requests_per_minute: a folder, or what makes a pace of a seller's name and rate; without it each
    has its own.
    """

    def __init__(
        self,
        policy: Policy,
        clock: Clock,
        *,
        seed: int | None = None,
        paces: Path | Callable[[str, int], Pace] | None = None,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._paces = paces
        self._jitter = random.Random(seed)
        self._gates: dict[str, Gate] = {}
        secure = any(seller.base_url.startswith("https:") for seller in policy.sellers.values())
        self._pool = ConnectionPool(secure=secure)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seller = lru_cache(_ENDPOINTS_KEPT)(self._seller_at)

    @asynccontextmanager
    async def turn(self, request: Request) -> AsyncIterator[None]:
        try:
            gate = self._gate(self._seller(request.url))
        except NotSent:  # `send` raises it again, where it is booked
            yield
            return
        async with gate:
            yield

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        seller = self._seller(request.url)
        paid = any(name.lower() in PAYMENT_HEADERS for name in headers)
        pauses = () if paid or request.method.upper() not in _REPEATABLE else _BACKOFF_SECONDS
        for pause in (*pauses, None):
            result = await self._through_gate(seller, request, headers, timeout)
            told: float | None = None
            if isinstance(result, Answer) and result.status in _BUSY:
                told = retry_after(result.headers.get("retry-after"), self._clock.now())
            if told is not None:
                await self._gates[seller.name].pause(told)
            if pause is None or _is_answered(result):
                break
            if told is None:
                await self._clock.sleep(pause * self._jitter.uniform(0.5, 1.5))
        if isinstance(result, Answer):
            return result
        del headers  # a traceback may show local variables, and these can be spent (I10)
        raise result

    def _seller_at(self, url: str) -> SellerPolicy:
        if not is_https_or_loopback(urlsplit(url)):
            raise NotSent("plain http is allowed to this machine only")
        seller = self._policy.seller_at(url)
        if seller is None:
            raise NotSent("policy names no seller at this origin")
        return seller

    async def _through_gate(
        self, seller: SellerPolicy, request: Request, headers: Mapping[str, str], timeout: float
    ) -> Answer | Unanswered:
        gate, exchange = self._gate(seller), Exchange(self._pool.open(), request, headers, seller.body_bytes)
        if gate.is_passed:
            return await exchange.run(timeout)
        async with gate:
            return await exchange.run(timeout)

    def _gate(self, seller: SellerPolicy) -> Gate:
        """The seller's gate in the running loop; a gate can't be used in another."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._gates = loop, {}
        if seller.name not in self._gates:
            self._gates[seller.name] = Gate(self._clock, seller.parallel, self._pace(seller))
        return self._gates[seller.name]

    def _pace(self, seller: SellerPolicy) -> Pace | None:
        if not seller.requests_per_minute:
            return None
        if callable(self._paces):
            return self._paces(seller.name, seller.requests_per_minute)
        path = None if self._paces is None else self._paces / quote(seller.name, safe="")
        return RequestPace(seller.requests_per_minute, path)

    async def aclose(self) -> None:
        """Close kept connections; the transport may be used again afterwards."""
        await self._pool.aclose()

    async def __aenter__(self) -> HttpTransport:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()


def _is_answered(result: Answer | Unanswered) -> bool:
    """True for an answer that a repetition would not better."""
    if isinstance(result, Answer):
        return result.status not in _BUSY
    return isinstance(result, NoAnswer) and result.terms is not None
