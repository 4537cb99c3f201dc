"""A seller made with the official SDK, whose facilitator is the judge's; what it settles, a real chain settles first.

The relay stands where the seller looks for its facilitator, and where buyers look for the chain. It passes /settle to
the sandbox's facilitator, so that money moves, and then to the judge, whose answer the seller gets. While the judge
lies about what has landed, chain reads get its lies, byte for byte: the chain is what an x402 buyer asks.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import httpx
from fastapi import FastAPI, Request, Response
from x402 import x402ResourceServer
from x402.http import FacilitatorConfig, HTTPFacilitatorClient
from x402.http.middleware.fastapi import payment_middleware
from x402.http.types import PaymentOption, RouteConfig
from x402.mechanisms.evm.exact import register_exact_evm_server
from x402.schemas import AssetAmount

from bench.payer_desk import Market
from payer.policy.file import parse_policy
from sandbox.clock import WorldClock
from sandbox.keys import NETWORK, PAY_TO
from sandbox.servers import HOST, App, Receive, Scope, Send, Servers, hang_up, listen, read_body, reply, send_reply
from tests.payer.desk import PRICE
from tests.worlds import WorldProcess

PATIENCE = 2.0
"""Seconds that the seller waits for its facilitator; the judge is told of them."""

CAP = "0.02"
"""A day's cap with room for one purchase."""

_PATH = "/v2/trading-signals"
_BODY = b'{"success":true,"message":"","length":0,"data":[]}'


def load(module: str) -> Any:
    """A judge's module. They are peers like the SDK: no code of ours stands on them."""
    return importlib.import_module(module)


class Relay:
    """The facilitator of a seller and the chain of a buyer, with a judge in between."""

    def __init__(self, world: WorldProcess) -> None:
        self._facilitator, self._rpc = world.urls["facilitator"], world.urls["rpc"]
        self._http = httpx.AsyncClient(timeout=30)
        self.judge: Any = None
        self.lies_about_reads = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, path = await read_body(receive), scope["path"]
        if path == "/supported":
            await self._pass_on(scope, send, "GET", self._facilitator + path)
        elif path in ("/verify", "/settle"):
            if path == "/settle":
                await self._http.post(self._facilitator + path, content=body)
            await self._pass_on(scope, send, "POST", self._of_judge(path), body)
        elif self.lies_about_reads and self.judge is not None and self.judge.settle_calls:
            await self._pass_on(scope, send, "GET", self._of_judge("/reconcile?nonce=0x"))
        else:
            await self._pass_on(scope, send, "POST", self._rpc, body)

    def _of_judge(self, path: str) -> str:
        return f"http://{HOST}:{self.judge.port}{path}"

    async def _pass_on(self, scope: Scope, send: Send, method: str, url: str, body: bytes = b"") -> None:
        """Answer as the other server does, also where it breaks off in the middle."""
        parts: list[bytes] = []
        async with self._http.stream(method, url, content=body) as answer:
            kind = answer.headers.get("content-type", "application/json")
            try:
                async for part in answer.aiter_raw():
                    parts.append(part)
            except httpx.RemoteProtocolError:
                length = answer.headers["content-length"].encode()
                headers = [(b"content-type", kind.encode()), (b"content-length", length)]
                await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
                await send({"type": "http.response.body", "body": b"".join(parts), "more_body": True})
                hang_up(scope)
                return
        await send_reply(send, reply(answer.status_code, b"".join(parts), kind))

    async def close(self) -> None:
        await self._http.aclose()


class Court(Market):
    """A market whose buyers meet the judge's seller, and have a day's cap for one purchase."""

    def __init__(self, world: WorldProcess, folder: Path, relay: Relay, seller: str, rpc: str) -> None:
        super().__init__(world, folder)
        self.relay, self._seller_url, self._rpc_url = relay, seller, rpc

    def policy(self, **seller: object) -> str:
        text = super().policy(**seller).replace(self.world.urls["rpc"], self._rpc_url)
        text = re.sub(r"(?m)^per_day = .*$", f'per_day = "{CAP}"', text)
        return text.replace(self.world.urls["seller"], self._seller_url)

    def at(self, seller: str) -> Court:
        """The same world and chain, with another seller."""
        return Court(self.world, self.folder, self.relay, seller, self._rpc_url)

    def reads_are_lied_about(self, mode: str) -> bool:
        """True in the modes that answer with no answer to what asks whether a payment landed."""
        return mode in load("hostile_facilitator.hostile").RECONCILE_MODES

    @contextmanager
    def judged(self, mode: str) -> Iterator[Any]:
        """One purchase in one mode of `hostile-facilitator`; its server counts the payments."""
        with load("hostile_facilitator").HostileServer(mode, client_timeout_s=PATIENCE) as judge:
            self.relay.judge, self.relay.lies_about_reads = judge, self.reads_are_lied_about(mode)
            yield judge
            self.relay.lies_about_reads = False
        judge._httpd.server_close()  # its own exit leaves the socket open


@contextmanager
def court() -> Iterator[Court]:
    """The sandbox's chain and facilitator in a process of their own, the judge's seller and the relay in this one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        world = stack.enter_context(WorldProcess(folder / "world"))
        relay = Relay(world)
        relay_url = stack.enter_context(serving(relay, relay.close))
        policy = parse_policy(Path(world.env["TOLLBOOK_POLICY"]).read_text())
        client = HTTPFacilitatorClient(FacilitatorConfig(url=relay_url, timeout=PATIENCE))
        seller = _seller(client, policy.asset_for("tokenmetrics").address)
        seller_url = stack.enter_context(serving(seller, client.aclose))
        yield Court(world, folder, relay, f"{seller_url}/v2", relay_url)


@contextmanager
def serving(app: App, close: Callable[[], Awaitable[None]] | None = None) -> Iterator[str]:
    """An application on a free port of loopback, in a thread; its address. `close` is called in its loop at the end."""
    opened = listen(None)
    servers = Servers({"app": app}, {"app": opened}, WorldClock())
    if close is not None:
        servers.at_stop(close)
    servers.start()
    try:
        yield f"http://{HOST}:{opened.getsockname()[1]}"
    finally:
        servers.stop()


def _seller(facilitator: HTTPFacilitatorClient, token: str) -> App:
    """The SDK's FastAPI seller as its documentation makes it, with one thing to sell."""
    server = x402ResourceServer(facilitator)
    register_exact_evm_server(server, NETWORK)
    price = AssetAmount(amount=str(PRICE), asset=token, extra={"name": "USD Coin", "version": "2"})
    option = PaymentOption(scheme="exact", network=NETWORK, pay_to=PAY_TO, price=price, max_timeout_seconds=300)
    guard = payment_middleware({f"GET {_PATH}": RouteConfig(accepts=option)}, server)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def paid(request: Request, call_next: Any) -> Response:
        return await guard(request, call_next)

    @app.get(_PATH)
    async def serve() -> Response:
        return Response(_BODY, media_type="application/json")

    return cast(App, app)
