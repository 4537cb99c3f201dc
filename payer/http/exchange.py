"""Send one request and read its answer, bounded in size and time, and tell whether a byte may have left.

After a failure that is all that matters. NotSent is raised only with proof that no byte left; every other failure is
NoAnswer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from payer.http.bounded import TERMS_HEADER, clip_headers, read_body, readable_start
from payer.http.pool import network_cause
from payer.values.request import Request

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status, complete unless it is `NoAnswer.begun`. Header names are in lower case, `elapsed` is in
    seconds.

    `cut`: the body is only the start of the answer's. `note` says why a body is still compressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed: float
    cut: bool = False
    note: str = ""


class Unanswered(Exception):
    """Base of both failures. `reason` is one line without headers, URLs or bodies (I10)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(Unanswered):
    """Raised when provably no byte of the request left this machine."""


class NoAnswer(Unanswered):
    """Raised when the request may have left. `begun` is what came of an answer that broke off after its headers."""

    def __init__(self, reason: str, begun: Answer | None = None) -> None:
        super().__init__(reason)
        self.begun = begun

    @property
    def terms(self) -> Answer | None:
        """The start of a 402 whose header, which came whole, holds its terms (x402 v2 section 5.1)."""
        begun = self.begun
        return begun if begun is not None and begun.status == 402 and TERMS_HEADER in begun.headers else None


ERROR_BODY_LIMIT = 1024 * 1024
"""As much as a 402 may hold in x402 v1, which has the seller's schemas in its body."""

_HEADERS_TOO_LONG = "Receive buffer too long"
"""h11's complaint of headers above 100 KiB, beside which no answer can be read."""

_CONNECT_SECONDS = 10.0


def request_url(request: Request) -> str:
    """The URL that a request is sent to: parameters percent-encoded in their order, commas left as they are."""
    if not request.params:
        return request.url
    return request.url + "?" + urlencode(request.params, quote_via=quote, safe=",")


@dataclass(slots=True, repr=False)
class Exchange:
    """One request over a kept connection, traced for the moment at which bytes may leave."""

    pool: httpx.AsyncHTTPTransport
    request: Request
    headers: Mapping[str, str]
    body_limit: int
    _traced: bool = False
    _left: bool = False
    _started: float = field(default_factory=time.perf_counter)
    _status: int = 0
    _headers: dict[str, str] = field(default_factory=dict)
    _raw: bytearray = field(default_factory=bytearray)

    async def run(self, timeout: float) -> Answer | Unanswered:
        """Send it; the answer, or the exception to raise. A library's own exception would carry the headers (I10)."""
        import httpx

        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(self._build(timeout))
        except TimeoutError:
            return self._failed(f"no complete answer within {timeout:g} s")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            return self._failed("the request can't be written as HTTP", never=not self._left)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return self._failed(f"no connection: {network_cause(error)}", never=not self._left)
        except (httpx.TransportError, OSError) as error:
            if _HEADERS_TOO_LONG in str(error):
                return self._failed("the answer's headers are longer than 100 KiB, and were cut there")
            return self._failed(f"the connection failed: {network_cause(error)}")
        except BaseException as error:
            # Cancelled, or a defect: the frames below hold the bytes that were sent, and tracebacks may show locals.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            raise

    def _failed(self, reason: str, *, never: bool = False) -> Unanswered:
        """NotSent needs proof: `never`, or a trace that saw no request begin."""
        if never or (self._traced and not self._left):
            return NotSent(reason)
        return NoAnswer(reason, self._begun() if self._status else None)

    def _begun(self) -> Answer:
        start = readable_start(bytes(self._raw[:ERROR_BODY_LIMIT]), self._encoding(), ERROR_BODY_LIMIT)
        return Answer(self._status, self._headers, start, time.perf_counter() - self._started, cut=True)

    def _encoding(self) -> str:
        return self._headers.get("content-encoding", "")

    def _build(self, timeout: float) -> httpx.Request:
        import httpx

        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "tollbook",
            **dict(self.request.headers),
            **self.headers,
        }
        if self.request.body:
            headers.setdefault("content-type", "application/json")
        connect = min(timeout, _CONNECT_SECONDS)
        return httpx.Request(
            self.request.method,
            request_url(self.request),
            headers=headers,
            content=self.request.body or None,
            extensions={"timeout": {"connect": connect}, "trace": self._trace},
        )

    async def _trace(self, event: str, _info: Mapping[str, Any]) -> None:
        self._traced = True
        if event.endswith("send_request_headers.started"):
            self._left = True

    async def _exchange(self, request: httpx.Request) -> Answer | Unanswered:
        response = await self.pool.handle_async_request(request)
        try:
            self._status, self._headers = response.status_code, clip_headers(response.headers.multi_items())
            successful = 200 <= self._status < 300
            limit = self.body_limit if successful else ERROR_BODY_LIMIT
            body = await read_body(response.aiter_raw(), self._encoding(), limit, self._raw)
        finally:
            await response.aclose()
        if successful and not body.whole:
            return self._failed(f"the body is longer than {limit} bytes (raise the seller's body_bytes in the policy)")
        if body.decoded:
            del self._headers["content-encoding"]
        elapsed = time.perf_counter() - self._started
        return Answer(self._status, self._headers, body.data, elapsed, cut=not body.whole, note=body.note)


_LONGEST_AGE = 10**8


def answer_time(headers: Mapping[str, str]) -> float | None:
    """The sender's clock in unix seconds when its answer arrived, None where it told no readable time."""
    try:
        made = parsedate_to_datetime(headers["date"].strip()).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    age = headers.get("age", "").strip()
    return made + (min(int(age), _LONGEST_AGE) if age.isascii() and age.isdigit() and len(age) < 10 else 0)
