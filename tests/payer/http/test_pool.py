"""Kept connections: closed by the seller, or left by a request that was cancelled."""

from __future__ import annotations

import asyncio

import pytest

from payer.http.exchange import NoAnswer
from payer.values.request import Request
from tests.payer.http.sockets import PAYMENT, reaching
from tests.payer.loopback import Loopback, Wire, http


class TestKeptConnections:
    def test_one_closed_in_time_is_replaced(self) -> None:
        async def once(wire: Wire) -> None:
            await wire.request()
            await wire.send(http(200))

        async def run() -> Loopback:
            async with reaching(once) as (server, transport):
                for _ in range(3):
                    await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                    await asyncio.sleep(0.05)
                return server

        assert asyncio.run(run()).connections == 3

    def test_one_closed_under_our_request_is_no_answer(self) -> None:
        """It is not sent again, since the server may have read it first."""

        async def run() -> Loopback:
            async def script(wire: Wire) -> None:
                await wire.request()
                await wire.send(http(200))
                await wire.request()

            async with reaching(script) as (server, transport):
                await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                with pytest.raises(NoAnswer):
                    await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                return server

        assert asyncio.run(run()).connections == 1


def test_a_cancelled_send_leaves_no_connection_behind() -> None:
    async def run() -> None:
        closed = asyncio.Event()

        async def waits(wire: Wire) -> None:
            await wire.request()
            assert await wire.reader.read() == b""
            closed.set()

        async with reaching(waits) as (server, transport):
            task = asyncio.create_task(transport.send(Request("GET", server.url), PAYMENT, timeout=30))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(closed.wait(), 5)

    asyncio.run(run())
