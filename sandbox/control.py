"""The world's controls over HTTP on loopback, for tests and benchmarks in other processes. JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from sandbox.faults import CATALOGUE, Faults
from sandbox.servers import Receive, Scope, Send, read_body, reply, send_reply

if TYPE_CHECKING:
    from sandbox.chain.rpc import NodeRpc
    from sandbox.clock import WorldClock
    from sandbox.market.market import Market
    from sandbox.seller.seller import SellerApp
    from sandbox.settings import WorldSettings


class Controlled(Protocol):
    """The parts of a world that others may look at and change."""

    clock: WorldClock
    faults: Faults
    market: Market
    rpc: NodeRpc
    seller: SellerApp
    settings: WorldSettings
    wallet_address: str

    @property
    def asset(self) -> dict[str, Any]: ...

    def balance(self) -> int: ...

    def buyer(self, name: str) -> Any: ...

    def cancel(self, nonce: str) -> None: ...

    def mine(self) -> None: ...

    def reset(self) -> None: ...

    def submit(self, authorization: Mapping[str, str], signature: str) -> None: ...

    def transfers(self) -> list[dict[str, Any]]: ...


class ControlApp:
    """GET /state, /visits, /transfers, /faults, /catalogue (of faults) · POST /faults, /faults/clear, /settings,
    /clock, /reset, /buyer, /mine, /cancel, /submit, /market/drift, /market/restate, /market/hold-back.

    The fields of a POST's body are the parameters of the world's methods.
    """

    def __init__(self, world: Controlled) -> None:
        self._world = world
        self._routes: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "/state"): self._state,
            ("GET", "/visits"): lambda _: [asdict(visit) for visit in world.seller.visits],
            ("GET", "/transfers"): lambda _: world.transfers(),
            ("GET", "/catalogue"): lambda _: {
                name: {"level": kind.level, "leg": kind.leg, "does": kind.does, "params": dict(kind.params)}
                for name, kind in CATALOGUE.items()
            },
            ("GET", "/faults"): lambda _: [fault.as_json() for fault in world.faults.all()],
            ("POST", "/faults"): lambda body: world.faults.add(**body).as_json(),
            ("POST", "/faults/clear"): lambda _: world.faults.clear(),
            ("POST", "/settings"): self._settings,
            ("POST", "/clock"): self._clock,
            ("POST", "/reset"): lambda _: world.reset(),
            ("POST", "/buyer"): self._buyer,
            ("POST", "/mine"): lambda body: world.mine(**body),
            ("POST", "/cancel"): lambda body: world.cancel(**body),
            ("POST", "/submit"): lambda body: world.submit(**body),
            ("POST", "/market/drift"): lambda body: world.market.changes.drift(**body),
            ("POST", "/market/restate"): lambda body: world.market.changes.restate(**body),
            ("POST", "/market/hold-back"): lambda body: world.market.changes.hold_back(**body),
        }

    def paths(self) -> list[tuple[str, str]]:
        return list(self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = await read_body(receive)
        route = self._routes.get((scope["method"], scope["path"]))
        try:
            body = msgspec.json.decode(text or b"{}")
            if route is None:
                await send_reply(send, reply(404, b'{"error":"no such control"}'))
                return
            answer = route(body)
        except (ValueError, TypeError, KeyError, msgspec.DecodeError) as problem:
            await send_reply(send, reply(400, msgspec.json.encode({"error": str(problem)})))
            return
        await send_reply(send, reply(200, msgspec.json.encode(answer)))

    def _state(self, _: dict[str, Any]) -> dict[str, Any]:
        world = self._world
        return {
            "now": world.clock.time(),
            "offset": world.clock.offset,
            "head": int(world.rpc.call("eth_blockNumber", []), 16),
            "wallet": world.wallet_address,
            "balance": str(world.balance()),
            "asset": world.asset,
            "settings": asdict(world.settings),
            "faults": [fault.as_json() for fault in world.faults.all()],
            "visits": len(world.seller.visits),
        }

    def _settings(self, body: dict[str, Any]) -> dict[str, Any]:
        self._world.settings.update(**body)
        return asdict(self._world.settings)

    def _clock(self, body: dict[str, Any]) -> dict[str, float]:
        """Move the clock: {"advance": seconds} or {"set": "2026-12-01T00:00:00Z"}."""
        if "set" in body:
            self._world.clock.set(datetime.fromisoformat(body["set"].replace("Z", "+00:00")))
        else:
            self._world.clock.advance(float(body["advance"]))
        return {"now": self._world.clock.time(), "offset": self._world.clock.offset}

    def _buyer(self, body: dict[str, Any]) -> dict[str, Any]:
        buyer = self._world.buyer(**body)
        return {"address": buyer.address, "env": dict(buyer.env), "home": str(buyer.home)}
