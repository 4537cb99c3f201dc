"""The world's HTTP servers: one background thread with one event loop, on loopback; and the ASGI pieces of their
applications: read, answer, capture, and break a connection on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.clock import WorldClock

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers = list[tuple[bytes, bytes]]
TRANSPORT = "tollbook.transport"
"""Where servers.py puts a request's asyncio transport in the scope's extensions."""


@dataclass(slots=True)
class Reply:
    """A whole HTTP answer that can still be changed."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)

    def without(self, *names: str) -> Headers:
        gone = {name.lower().encode() for name in names}
        return [(key, value) for key, value in self.headers if key.lower() not in gone]

    def with_header(self, name: str, value: str) -> Headers:
        return [*self.without(name), (name.lower().encode(), value.encode("latin-1"))]


def reply(
    status: int, body: bytes, content_type: str = "application/json", headers: Iterable[tuple[str, str]] = ()
) -> Reply:
    more = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Reply(status, [(b"content-type", content_type.encode()), *more], body)


def request_header(scope: Scope, name: str) -> str | None:
    wanted = name.lower().encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == wanted), None)


async def read_body(receive: Receive) -> bytes:
    """The request's body, or what came of it before its client left."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def replay(body: bytes) -> Receive:
    """A receive that returns a body already read, then waits like an open connection."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def send_reply(send: Send, answer: Reply) -> None:
    headers = [*answer.without("content-length"), (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def capture(app: App, scope: Scope, receive: Receive) -> Reply:
    """Run an application to its end and return its answer instead of sending it."""
    answer = Reply(500)
    parts: list[bytes] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    answer.body = b"".join(parts)
    return answer


def reset(scope: Scope) -> None:
    """Break the connection with a TCP reset."""
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def hang_up(scope: Scope) -> None:
    """Close the connection once everything sent has left."""
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]
    transport.close()


HOST = "127.0.0.1"
_THREADS = 32
_PORTS = range(20_000, 32_000)


class PortTaken(OSError):
    """Raised when a home's port is in use, most likely by another sandbox of the same home."""


class _Protocol(HttpToolsProtocol):
    """Passes the transport to the application, so that a fault can break the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]


def listen(port: int | None) -> socket.socket:
    """A listening socket on loopback: on that port, or on a free one below the range that the system hands out."""
    candidates = [port] if port else random.SystemRandom().sample(_PORTS, 200)
    for number in candidates:
        # Named in full, because asyncio turns Nagle's delay off (40 ms an answer) only for sockets that say TCP.
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((HOST, number))
        except OSError:
            opened.close()
            continue
        opened.listen(512)
        return opened
    raise PortTaken(f"port {port} on {HOST} is in use")


def _dated(app: App, clock: WorldClock) -> App:
    """Put the world's time into the Date header of every answer, where buyers compare their clocks with it."""

    async def dated(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(clock.time(), usegmt=True).encode("ascii")
                message["headers"] = [*message.get("headers", []), (b"date", date)]
            await send(message)

        await app(scope, receive, send_dated)

    return dated


class Servers:
    """Serve each application on its socket, from `start` to `stop`."""

    def __init__(self, apps: Mapping[str, App], sockets: Mapping[str, socket.socket], clock: WorldClock) -> None:
        self._apps = {name: _dated(app, clock) for name, app in apps.items()}
        self._sockets = sockets
        self._servers: list[uvicorn.Server] = []
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._failure: BaseException | None = None
        self._started = threading.Event()
        self._on_stop: list[Callable[[], Awaitable[None]]] = []

    def start(self, timeout: float = 10.0) -> None:
        self._thread.start()
        if not self._started.wait(timeout) or self._failure is not None:
            raise RuntimeError("the sandbox's servers did not start") from self._failure

    def at_stop(self, action: Callable[[], Awaitable[None]]) -> None:
        """Run an action in the servers' loop after they have stopped."""
        self._on_stop.append(action)

    def stop(self) -> None:
        for server in self._servers:
            server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as problem:  # noqa: BLE001 handed to start(), which raises it in the caller's thread
            self._failure = problem
        finally:
            self._started.set()

    async def _serve(self) -> None:
        # Settlements wait for their receipts in threads: more of them than a small machine's default.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
        tasks = []
        for name, app in self._apps.items():
            config = uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                log_level="critical",
                date_header=False,
                timeout_keep_alive=120,
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            self._servers.append(server)
            tasks.append(asyncio.create_task(server.serve(sockets=[self._sockets[name]]), name=name))
        while not all(server.started for server in self._servers):
            await asyncio.sleep(0.002)
            for task in tasks:
                if task.done():
                    task.result()
        self._started.set()
        try:
            await asyncio.gather(*tasks)
        finally:
            for action in self._on_stop:
                with contextlib.suppress(OSError, RuntimeError):
                    await action()
