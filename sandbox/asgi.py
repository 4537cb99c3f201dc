"""ASGI pieces that the sandbox's servers share: read, answer, capture, and break a connection on purpose."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

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
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
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
