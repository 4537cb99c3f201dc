"""The official SDK's facilitator as an HTTP service, the account that settles for it, and the faults of its kind."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import x402.mechanisms.evm.exact.facilitator as sdk_facilitator
from eth_abi.abi import decode
from eth_account import Account
from eth_utils.abi import collapse_if_tuple
from x402.mechanisms.evm.exact.facilitator import ExactEvmScheme, ExactEvmSchemeConfig
from x402.mechanisms.evm.multicall import encode_contract_call
from x402.mechanisms.evm.types import TransactionReceipt
from x402.schemas import PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse

from sandbox.chain.rpc import NodeError, NodeRpc
from sandbox.clock import WorldClock
from sandbox.faults import Faults, InjectedFault
from sandbox.keys import BROKE_RELAYER_KEY, CHAIN_ID, DEPLOYER_KEY, NETWORK, RELAYER_KEY
from sandbox.servers import Receive, Scope, Send, read_body, reply, reset, send_reply
from sandbox.settings import WorldSettings

_GAS = 500_000
_POLL = 0.02


class Relayer:
    """An account that settles; implements x402's FacilitatorEvmSigner."""

    def __init__(self, key: str, rpc: NodeRpc, timeout: Callable[[], float]) -> None:
        self._account, self._rpc, self._timeout = Account.from_key(key), rpc, timeout
        self._sending = threading.Lock()

    @property
    def address(self) -> str:
        return str(self._account.address)

    def get_addresses(self) -> list[str]:
        return [self.address]

    def get_chain_id(self) -> int:
        return CHAIN_ID

    def read_contract(self, address: str, abi: list[dict[str, Any]], function_name: str, *args: Any) -> Any:
        data = encode_contract_call(abi, function_name, *args)
        answer = self._call("eth_call", {"from": self.address, "to": address, "data": "0x" + data.hex()}, "latest")
        function = next(entry for entry in abi if entry.get("name") == function_name)
        types = [collapse_if_tuple(output) for output in function.get("outputs", [])]
        values = decode(types, bytes.fromhex(answer[2:]))
        return values[0] if len(values) == 1 else values or None

    def verify_typed_data(self, *_: Any, **__: Any) -> bool:
        """Never called for EIP-3009: the SDK recovers those signers itself."""
        raise NotImplementedError("only EIP-3009 payments are settled here")

    def write_contract(
        self, address: str, abi: list[dict[str, Any]], function_name: str, *args: Any, data_suffix: str | None = None
    ) -> str:
        suffix = bytes.fromhex((data_suffix or "0x")[2:])
        return self.send_transaction(address, encode_contract_call(abi, function_name, *args) + suffix)

    def send_transaction(self, to: str, data: bytes) -> str:
        with self._sending:
            tx = {
                "nonce": int(self._call("eth_getTransactionCount", self.address, "pending"), 16),
                "gas": _GAS,
                "gasPrice": int(self._call("eth_gasPrice"), 16),
                "to": to,
                "value": 0,
                "data": data,
                "chainId": CHAIN_ID,
            }
            signed = self._account.sign_transaction(tx)
            return str(self._call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))

    def wait_for_transaction_receipt(self, tx_hash: str) -> TransactionReceipt:
        """Raises TimeoutError when the transaction is not mined in time."""
        deadline = time.monotonic() + self._timeout()
        while (receipt := self._call("eth_getTransactionReceipt", tx_hash)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"transaction {tx_hash} is not mined yet")
            time.sleep(_POLL)
        return TransactionReceipt(
            status=int(receipt["status"], 16),
            block_number=int(receipt["blockNumber"], 16),
            tx_hash=tx_hash,
            logs=[_as_web3_log(log) for log in receipt["logs"]],
        )

    def get_balance(self, address: str, token_address: str) -> int:
        data = "0x70a08231" + "00" * 12 + address[2:]
        return int(self._call("eth_call", {"to": token_address, "data": data}, "latest"), 16)

    def get_code(self, address: str) -> bytes:
        return bytes.fromhex(self._call("eth_getCode", address, "latest")[2:])

    def _call(self, method: str, *params: Any) -> Any:
        try:
            return self._rpc.call(method, list(params))
        except NodeError as problem:
            raise RuntimeError(problem.message) from problem


def _as_web3_log(log: dict[str, Any]) -> dict[str, Any]:
    """The SDK expects a log as web3 gives it: topics and data as bytes."""
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    return {**log, "topics": topics, "data": bytes.fromhex(log["data"][2:])}


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
            return 200, _told(payload, "")
        if "settle_foreign_tx" in names:
            first = self._rpc.call("eth_getBlockByNumber", ["0x1"])
            return 200, _told(payload, first["transactions"][0])
        if "settle_reverted_tx" in names:
            return 200, _told(payload, self._relayers[RELAYER_KEY].send_transaction(wanted.asset, _REVERTS))
        if "settle_front_run" in names:
            await self._run(self._schemes[DEPLOYER_KEY].settle, payload, wanted)
        self._config.simulate_in_settle = self._settings.simulate_in_settle
        key = BROKE_RELAYER_KEY if "relayer_broke" in names else RELAYER_KEY
        settled = cast(SettleResponse, await self._run(self._schemes[key].settle, payload, wanted))
        if "settle_timeout_after" in names:
            await asyncio.sleep(names["settle_timeout_after"].params["seconds"])
        if "settle_reset_after" in names:
            return None, None
        if "settle_500_after" in names:
            return 500, {"error": "injected"}
        for name, status in (("settle_pending_200", 200), ("settle_pending_500", 500)):
            if name in names:
                return status, _told(payload, settled.transaction, "settlement_pending")
        if "settle_denied_after" in names:
            return 200, _told(payload, "", names["settle_denied_after"].params["reason"])
        return 200, settled.model_dump(by_alias=True, exclude_none=True)

    async def _run(self, work: Callable[..., Any], *args: Any) -> Any:
        """The SDK's blocking code in a thread, on this world's time."""
        _world_time.set(self._clock.time)
        return await asyncio.to_thread(work, *args)


_KEYS = (RELAYER_KEY, BROKE_RELAYER_KEY, DEPLOYER_KEY)
_REVERTS = bytes.fromhex("a9059cbb" + "00" * 31 + "01" + "ff" * 32)
"""transfer(0x…01, 2^256 - 1): more than anybody has."""


def _told(payload: PaymentPayload, transaction: str, failure: str | None = None) -> dict[str, Any]:
    payer = payload.payload["authorization"]["from"]
    told = {"success": failure is None, "payer": payer, "transaction": transaction, "network": NETWORK}
    return told if failure is None else {**told, "errorReason": failure}
