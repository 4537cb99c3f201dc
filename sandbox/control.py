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
    def mine(self, blocks: int = 1) -> None: ...
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
        self._routes: dict[tuple[str, str], Callable[..., Any]] = {
            ("GET", "/state"): self._state,
            ("GET", "/visits"): lambda: [asdict(visit) for visit in world.seller.visits],
            ("GET", "/transfers"): world.transfers,
            ("GET", "/catalogue"): lambda: {name: asdict(kind) for name, kind in CATALOGUE.items()},
            ("GET", "/faults"): lambda: [fault.as_json() for fault in world.faults.all()],
            ("POST", "/faults"): lambda **body: world.faults.add(**body).as_json(),
            ("POST", "/faults/clear"): world.faults.clear,
            ("POST", "/settings"): self._settings,
            ("POST", "/clock"): self._clock,
            ("POST", "/reset"): world.reset,
            ("POST", "/buyer"): self._buyer,
            ("POST", "/mine"): world.mine,
            ("POST", "/cancel"): world.cancel,
            ("POST", "/submit"): world.submit,
            ("POST", "/market/drift"): world.market.changes.drift,
            ("POST", "/market/restate"): world.market.changes.restate,
            ("POST", "/market/hold-back"): world.market.changes.hold_back,
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
            answer = route(**body)
        except (ValueError, TypeError, KeyError, msgspec.DecodeError) as problem:
            await send_reply(send, reply(400, msgspec.json.encode({"error": str(problem)})))
            return
        await send_reply(send, reply(200, msgspec.json.encode(answer)))

    def _state(self) -> dict[str, Any]:
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

    def _settings(self, **changes: Any) -> dict[str, Any]:
        self._world.settings.update(**changes)
        return asdict(self._world.settings)

    def _clock(self, set: str = "", advance: Any = None) -> dict[str, float]:
        """Move the clock: {"advance": seconds} or {"set": "2026-12-01T00:00:00Z"}."""
        if set:
            self._world.clock.set(datetime.fromisoformat(set))
        else:
            self._world.clock.advance(float(advance))
        return {"now": self._world.clock.time(), "offset": self._world.clock.offset}

    def _buyer(self, **named: Any) -> dict[str, Any]:
        buyer = self._world.buyer(**named)
        return {"address": buyer.address, "env": dict(buyer.env), "home": str(buyer.home)}
