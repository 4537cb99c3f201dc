"""A server on loopback that answers, or misbehaves, exactly as a test says; and a clock that a test owns."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from ssl import SSLContext
from typing import Any

Script = Callable[["Wire"], Awaitable[None]]


class OwnClock:
    """Time that moves only by sleeping; everybody asleep wakes in order, and nobody while a task is `busy`."""

    def __init__(self) -> None:
        self.busy: set[asyncio.Task[Any] | None] = set()
        self.time = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.time + timedelta(seconds=seconds)
        await asyncio.sleep(0)
        while self.busy:
            await asyncio.sleep(0)
        self.time = max(self.time, until)


class Wire:
    """One connection, seen from the server."""

    def __init__(self, server: Loopback, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """One whole request. Raises IncompleteReadError when the client is gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        raw = head + await self.reader.readexactly(length)
        self.server.requests.append(raw)
        return raw

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    def reset(self) -> None:
        """Close so that the other side sees a reset and not an end."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Loopback:
    """The running server: its address, and every request that reached it."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.busy = 0
        self.busiest = 0
        self.url = ""


@contextlib.asynccontextmanager
async def serving(script: Script, *, tls: SSLContext | None = None) -> AsyncIterator[Loopback]:
    """Run a script for each connection until the block ends."""
    server = Loopback()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await script(Wire(server, reader, writer))
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=2**20)
    scheme = "http" if tls is None else "https"
    server.url = f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def http(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, length: int | None = None
) -> bytes:
    """A whole HTTP/1.1 answer; `length` lies about the body's size."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answering(*answers: bytes) -> Script:
    """Answer each request with the next of these, the last one for ever; connections are kept open."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.send(answers[min(len(wire.server.requests), len(answers)) - 1])

    return script
