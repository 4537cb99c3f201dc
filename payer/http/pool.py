"""Kept HTTP connections below httpx's client: no redirects, cookies, proxies, netrc or retries exist at this level."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

# Servers commonly drop an idle connection after 5 s; one dropped under a payment would leave it in doubt.
_IDLE_SECONDS = 4.0


class Pool:
    """The connections of the running event loop; they can't outlive the loop they were made in."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> httpx.AsyncHTTPTransport:
        loop = asyncio.get_running_loop()
        if self._transport is None or self._loop is not loop:
            self._transport, self._loop = _new(secure=self._secure), loop
        return self._transport

    async def aclose(self) -> None:
        """Close what is kept; the pool may be used again afterwards."""
        transport, self._transport = self._transport, None
        if transport is not None and self._loop is asyncio.get_running_loop():
            await transport.aclose()


def _new(*, secure: bool) -> httpx.AsyncHTTPTransport:
    """Where only loopback is allowed, the TLS context trusts nobody, which saves loading the certificates."""
    import httpx

    context = httpx.create_ssl_context(trust_env=False) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_IDLE_SECONDS)
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits, retries=0)
