"""Kept connections, at a level of httpx without redirects, cookies, proxies, netrc and retries; and why one failed."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from payer.http.bounded import ReceivedBody, read_body

if TYPE_CHECKING:
    import httpx

# Servers commonly close an idle connection after 5 s; closed under a payment, it would leave the money in doubt.
_IDLE_SECONDS = 4.0


class ConnectionPool:
    """The connections of the running event loop, which can't be used in another."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> httpx.AsyncHTTPTransport:
        """The transport of the running loop, made at the first call."""
        loop = asyncio.get_running_loop()
        if self._transport is None or self._loop is not loop:
            self._transport, self._loop = _new(secure=self._secure), loop
        return self._transport

    async def send(self, request: httpx.Request, limit: int) -> tuple[httpx.Response, ReceivedBody]:
        """Send a request, and read at most `limit` bytes of the answer's body."""
        response = await self.open().handle_async_request(request)
        try:
            return response, await read_body(response.aiter_raw(), response.headers.get("content-encoding", ""), limit)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close kept connections; the pool may be used again afterwards."""
        transport, self._transport = self._transport, None
        if transport is not None and self._loop is asyncio.get_running_loop():
            await transport.aclose()


def _new(*, secure: bool) -> httpx.AsyncHTTPTransport:
    """Make a transport. Without `secure` its TLS context trusts nobody, which spares loading the certificates."""
    import httpx

    context = httpx.create_ssl_context(trust_env=False) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_IDLE_SECONDS)
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits, retries=0)


def network_cause(error: BaseException) -> str:
    """Describe the first known cause under a library's exception, else its class; quotes no request, answer or URL
    (I10)."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {getattr(cause, 'reason', None) or 'unknown reason'}"
        if isinstance(cause, socket.gaierror):
            return f"DNS does not know its name: {cause.strerror}"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
    name = type(error).__name__
    if name == "RemoteProtocolError":
        closed = str(error).startswith(_CLOSED)
        return "it was closed before the answer was whole" if closed else "what came is not valid HTTP"
    return _WORDS.get(name, name)


_CLOSED = ("peer closed connection", "Server disconnected")
"""The first words of h11 and httpcore about an answer that ends early; other protocol errors quote what came."""

_WORDS = {
    "ConnectTimeout": "it was not made in time",
    "ReadTimeout": "no answer came in time",
    "ReadError": "it broke off",
    "WriteTimeout": "the request could not be sent in time",
    "WriteError": "it broke off",
    "PoolTimeout": "no connection became free in time",
}
"""httpx's errors that may have no cause of the system's under them."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    waiting = [error]
    while waiting and len(seen) < 20:
        one = waiting.pop(0)
        seen.append(one)
        yield one
        inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [each for each in (one.__cause__, one.__context__, *inner) if each and each not in seen]
