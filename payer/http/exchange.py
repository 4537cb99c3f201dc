"""One request and its answer: bounded in size and time, never redirected, and exact about what left the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from payer.http.bounded import clip_headers, read_body
from payer.http.outcome import Answer, NoAnswer, NotSent, Unanswered
from payer.values.request import Request

if TYPE_CHECKING:
    import httpx

ERROR_BODY_LIMIT = 64 * 1024
_CONNECT_SECONDS = 10.0


def url_of(request: Request) -> str:
    """The address a request goes to, parameters encoded in their order; commas stay readable."""
    if not request.params:
        return request.url
    return request.url + "?" + urlencode(request.params, quote_via=quote, safe=",")


class Exchange:
    """One request over a kept connection, watched for the moment when bytes may leave."""

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
