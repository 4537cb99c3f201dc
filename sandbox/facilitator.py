"""The official SDK's facilitator as an HTTP service, with the faults that facilitators are known for."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import x402.mechanisms.evm.exact.facilitator as sdk_facilitator
from x402.mechanisms.evm.exact.facilitator import ExactEvmScheme, ExactEvmSchemeConfig
from x402.schemas import PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse

from sandbox.asgi import Receive, Scope, Send, read_body, reply, reset, send_reply
from sandbox.chain.rpc import NodeRpc
from sandbox.clock import WorldClock
from sandbox.faults import Faults, InjectedFault
from sandbox.keys import BROKE_RELAYER_KEY, DEPLOYER_KEY, NETWORK, RELAYER_KEY
from sandbox.relayer import Relayer
from sandbox.settings import WorldSettings

_world_time: contextvars.ContextVar[Callable[[], float]] = contextvars.ContextVar("world_time", default=time.time)


class _WorldTime:
    """Replaces the `time` module in the SDK's facilitator, so that it reads the world's clock."""

    @staticmethod
    def time() -> float:
        return _world_time.get()()


sdk_facilitator.time = cast(Any, _WorldTime)  # type: ignore[attr-defined]


class Facilitator:
    """GET /supported, POST /verify, POST /settle."""

    def __init__(self, rpc: NodeRpc, clock: WorldClock, faults: Faults, settings: WorldSettings) -> None:
        logging.getLogger("x402").setLevel(logging.CRITICAL)
        self._rpc, self._clock, self._faults, self._settings = rpc, clock, faults, settings
        self._relayers = {key: Relayer(key, rpc, lambda: settings.confirmation_timeout) for key in _KEYS}
        self._config = ExactEvmSchemeConfig(simulate_in_settle=settings.simulate_in_settle)
        self.forget()

    def forget(self) -> None:
        """Drop what is kept in memory only, as a restart does."""
        self._schemes = {key: ExactEvmScheme(relayer, self._config) for key, relayer in self._relayers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        body = await read_body(receive)
        if path == "/supported":
            await send_reply(send, reply(200, msgspec.json.encode(self._supported())))
            return
        if path not in ("/verify", "/settle"):
            await send_reply(send, reply(404, b"{}"))
            return
        firing = self._faults.take("facilitator", path, path[1:])
        request = msgspec.json.decode(body)
        payload = PaymentPayload.model_validate(request["paymentPayload"])
        wanted = PaymentRequirements.model_validate(request["paymentRequirements"])
        status, document = await (self._verify if path == "/verify" else self._settle)(payload, wanted, firing)
        if status is None:
            reset(scope)
            return
        await send_reply(send, reply(status, msgspec.json.encode(document)))

    def _supported(self) -> dict[str, Any]:
        signers = [self._relayers[RELAYER_KEY].address]
        kind = {"x402Version": 2, "scheme": "exact", "network": NETWORK}
        return {"kinds": [kind], "extensions": [], "signers": {"eip155:*": signers}}

    # -- verify -----------------------------------------------------------------------------------

    async def _verify(
        self, payload: PaymentPayload, wanted: PaymentRequirements, firing: list[InjectedFault]
    ) -> tuple[int | None, Any]:
        for fault in firing:
            if fault.name == "verify_500":
                return 500, {"error": "injected"}
            if fault.name == "verify_invalid":
                return 200, {"isValid": False, "invalidReason": fault.params["reason"]}
        verified = await self._run(self._schemes[RELAYER_KEY].verify, payload, wanted)
        return 200, cast(VerifyResponse, verified).model_dump(by_alias=True, exclude_none=True)

    # -- settle -----------------------------------------------------------------------------------

    async def _settle(
        self, payload: PaymentPayload, wanted: PaymentRequirements, firing: list[InjectedFault]
    ) -> tuple[int | None, Any]:
        names = {fault.name: fault for fault in firing}
        if "settle_500_before" in names:
            return 500, {"error": "injected"}
        if "settle_slow" in names:
            await asyncio.sleep(names["settle_slow"].params["seconds"])
        if "forget_pending" in names:
            self.forget()
        if "settle_phantom" in names:
            return 200, _success(payload, "")
        if "settle_foreign_tx" in names:
            return 200, _success(payload, self._somebody_elses_tx())
        if "settle_reverted_tx" in names:
            return 200, _success(payload, self._relayers[RELAYER_KEY].send_transaction(wanted.asset, _REVERTS))
        if "settle_front_run" in names:
            await self._run(self._schemes[DEPLOYER_KEY].settle, payload, wanted)
        self._config.simulate_in_settle = self._settings.simulate_in_settle
        key = BROKE_RELAYER_KEY if "relayer_broke" in names else RELAYER_KEY
        settled = cast(SettleResponse, await self._run(self._schemes[key].settle, payload, wanted))
        return await self._told(settled, payload, names)

    async def _told(
        self, settled: SettleResponse, payload: PaymentPayload, names: dict[str, InjectedFault]
    ) -> tuple[int | None, Any]:
        """The answer to the seller about an attempted settlement."""
        if "settle_timeout_after" in names:
            await asyncio.sleep(names["settle_timeout_after"].params["seconds"])
        if "settle_reset_after" in names:
            return None, None
        if "settle_500_after" in names:
            return 500, {"error": "injected"}
        for name, status in (("settle_pending_200", 200), ("settle_pending_500", 500)):
            if name in names:
                return status, _failure(payload, "settlement_pending", settled.transaction)
        if "settle_denied_after" in names:
            return 200, _failure(payload, names["settle_denied_after"].params["reason"], "")
        return 200, settled.model_dump(by_alias=True, exclude_none=True)

    def _somebody_elses_tx(self) -> str:
        block = self._rpc.call("eth_getBlockByNumber", ["0x1"])
        return str(block["transactions"][0])

    async def _run(self, work: Callable[..., Any], *args: Any) -> Any:
        """The SDK's blocking code in a thread, on this world's time."""
        _world_time.set(self._clock.time)
        return await asyncio.to_thread(work, *args)


_KEYS = (RELAYER_KEY, BROKE_RELAYER_KEY, DEPLOYER_KEY)
_REVERTS = bytes.fromhex("a9059cbb" + "00" * 31 + "01" + "ff" * 32)
"""transfer(0x…01, 2^256 - 1): more than anybody has."""


def _success(payload: PaymentPayload, transaction: str) -> dict[str, Any]:
    payer = payload.payload["authorization"]["from"]
    return {"success": True, "payer": payer, "transaction": transaction, "network": NETWORK}


def _failure(payload: PaymentPayload, reason: str, transaction: str) -> dict[str, Any]:
    payer = payload.payload["authorization"]["from"]
    return {
        "success": False,
        "errorReason": reason,
        "payer": payer,
        "transaction": transaction,
        "network": NETWORK,
    }
