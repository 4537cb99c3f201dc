"""HTTP as a payer may use it: bounded in size and time, never redirected, and exact about what left the machine.

The one question that matters after a failure is whether a byte of the request may have left. NotSent is raised only
with proof that none did; everything else is NoAnswer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from tollbook.payer.http.bounded import clip_headers, read_body
from tollbook.payer.http.gate import Gate, retry_after
from tollbook.payer.http.pace import Pace
from tollbook.payer.http.pool import Pool
from tollbook.payer.policy.rules import Policy, SellerPolicy, is_private_enough, origin
from tollbook.payer.types import Clock, Request

if TYPE_CHECKING:
    import httpx

ERROR_BODY_LIMIT = 64 * 1024
PAYMENT_HEADERS = frozenset({"x-payment", "payment-signature"})
_CONNECT_SECONDS = 10.0
_BUSY = frozenset({429, 500, 502, 503, 504})
_BACKOFF_SECONDS = (0.5, 1.0, 2.0)
_REPEATABLE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of any status. Header names are in lower case; `cut` says that an error's body was longer, `note`
    why the body is still compressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed: float
    cut: bool = False
    note: str = ""


class Unanswered(Exception):
    """No whole answer came. `reason` is one line without headers, URLs or bodies (I10)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(Unanswered):
    """Provably no byte of the request left this machine."""


class NoAnswer(Unanswered):
    """The request may have left. `status` and `headers` are what did arrive before it failed: evidence, never proof."""

    def __init__(
        self, reason: str, *, status: int | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class Transport(Protocol):
    """What the payer needs of HTTP; the simulator has its own."""

    def turn(self, request: Request) -> AbstractAsyncContextManager[None]:
        """The seller's limits and pauses waited for. What is sent to it inside the block waits for nothing more, so a
        payment is signed there: outside, its validity would run while it waits."""
        ...

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        """One answer, or NotSent, or NoAnswer."""
        ...


def url_of(request: Request) -> str:
    """The address a request goes to, parameters encoded in their order; commas stay readable."""
    if not request.params:
        return request.url
    return request.url + "?" + urlencode(request.params, quote_via=quote, safe=",")


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
        gate, exchange = self._gate(seller), _Exchange(self._pool.open(), request, headers, seller.body_bytes)
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


class _Exchange:
    """One request and its answer, watched for the moment when bytes may leave."""

    def __init__(
        self, pool: httpx.AsyncHTTPTransport, request: Request, headers: Mapping[str, str], body_limit: int
    ) -> None:
        self._pool = pool
        self._request = request
        self._headers = headers
        self._body_limit = body_limit
        self._watched = False
        self._left = False
        self._status: int | None = None
        self._seen: Mapping[str, str] = MappingProxyType({})

    async def run(self, timeout: float) -> Answer | Unanswered:
        """The answer or what to raise. Nothing is raised here: a library's exception would carry the headers (I10)."""
        import httpx

        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(self._built(timeout), started)
        except TimeoutError:
            return self._failed(f"no whole answer within {timeout:g} s")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            return self._failed("the request can't be written as HTTP", never=not self._left)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return self._failed(f"no connection: {_kind(error)}", never=not self._left)
        except (httpx.TransportError, OSError) as error:
            return self._failed(f"the connection failed: {_kind(error)}")
        except BaseException as error:
            # Cancelled, or a defect below: those frames hold the bytes that were sent, and tracebacks may show locals.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            raise

    def _failed(self, reason: str, *, never: bool = False) -> Unanswered:
        """NotSent needs proof: the failure says so, or the watch ran and saw no request begin."""
        if never or (self._watched and not self._left):
            return NotSent(reason)
        return NoAnswer(reason, status=self._status, headers=self._seen)

    def _built(self, timeout: float) -> httpx.Request:
        import httpx

        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "tollbook",
            **dict(self._request.headers),
            **self._headers,
        }
        if self._request.body:
            headers.setdefault("content-type", "application/json")
        connect = min(timeout, _CONNECT_SECONDS)
        return httpx.Request(
            self._request.method,
            url_of(self._request),
            headers=headers,
            content=self._request.body or None,
            extensions={"timeout": {"connect": connect}, "trace": self._watch},
        )

    async def _watch(self, event: str, _info: Mapping[str, Any]) -> None:
        self._watched = True
        if event.endswith("send_request_headers.started"):
            self._left = True

    async def _exchange(self, request: httpx.Request, started: float) -> Answer | Unanswered:
        response = await self._pool.handle_async_request(request)
        try:
            self._status = response.status_code
            headers = clip_headers(response.headers.multi_items())
            self._seen = MappingProxyType(headers)
            paid_for = 200 <= response.status_code < 300
            limit = self._body_limit if paid_for else ERROR_BODY_LIMIT
            body = await read_body(response.aiter_raw(), headers.get("content-encoding", ""), limit)
        finally:
            await response.aclose()
        if paid_for and not body.whole:
            return self._failed(f"the body is longer than {limit} bytes (raise the seller's body_bytes in the policy)")
        if body.decoded:
            del headers["content-encoding"]
        elapsed = time.perf_counter() - started
        return Answer(response.status_code, headers, body.data, elapsed, cut=not body.whole, note=body.note)


def _kind(error: BaseException) -> str:
    """What failed, in the library's words but without its texts, which may quote what was sent."""
    return type(error).__name__
