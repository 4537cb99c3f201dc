"""The node over HTTP: single requests and batches, with the faults of the rpc level, forged settlements among them; and
methods for tests: mine, move time, go back, drop transactions. They are named as in anvil where anvil has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from sandbox.chain.chain import LocalChain
from sandbox.chain.rpc import NodeError, NodeRpc, View, whole
from sandbox.faults import Faults, InjectedFault
from sandbox.servers import Receive, Scope, Send, hang_up, read_body, reply, reset, send_reply


def add_control(rpc: NodeRpc, chain: LocalChain) -> None:
    def mine(count: Any = 1) -> str:
        chain.mine(whole(count))
        return "0x0"

    def set_automine(on: bool) -> bool:
        chain.automine = bool(on)
        if chain.automine and chain.pool.all():
            chain.mine()
        return True

    def set_next_timestamp(time: Any) -> bool:
        if whole(time) < chain.head.time:
            raise ValueError(f"timestamp {whole(time)} is before the head's {chain.head.time}")
        chain.next_time = whole(time)
        return True

    def increase_time(seconds: Any) -> str:
        chain.time_offset += whole(seconds)
        return hex(chain.time_offset)

    verbs: dict[str, Callable[..., Any]] = {
        "evm_mine": mine,
        "evm_setAutomine": set_automine,
        "evm_setNextBlockTimestamp": set_next_timestamp,
        "evm_increaseTime": increase_time,
        "evm_snapshot": lambda: hex(chain.snapshot()),
        "evm_revert": lambda snapshot: chain.revert(whole(snapshot)),
        "sandbox_dropTransaction": lambda tx_hash=None: chain.drop(bytes.fromhex(tx_hash[2:]) if tx_hash else None),
        "sandbox_reorg": lambda depth=1, keep=True: hex(chain.reorg(whole(depth), bool(keep))),
        "sandbox_pool": lambda: ["0x" + tx.hash.hex() for tx in chain.pool.all()],
    }
    for name, verb in verbs.items():
        rpc.add(name, verb)


_STATE_CALL = bytes.fromhex("e94a0102")
_AGGREGATE_CALL = bytes.fromhex("bce38bd7")
_USED = "0x" + keccak(text="AuthorizationUsed(address,bytes32)").hex()
_TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
_YES = encode(["bool"], [True])


def forge(fault: InjectedFault, rpc: NodeRpc, method: str, params: list[Any], honest: Any) -> Any:
    """Return the lie for one answer: the token's flag, the log of each nonce, its receipt, a head that is final."""
    match method:
        case "eth_call":
            return _flags(bytes.fromhex((params[0].get("input") or params[0].get("data") or "0x")[2:]), honest)
        case "eth_getLogs":
            return _nonce_logs(fault, rpc, params[0], honest)
        case "eth_getTransactionReceipt":
            return fault.state.get(params[0], honest)
        case "eth_getBlockByNumber" if params[0] in ("safe", "finalized"):
            return rpc.call(method, ["latest", *params[1:]])
    return honest


def _flags(data: bytes, honest: Any) -> Any:
    """`authorizationState` is true, alone or in a multicall."""
    if data[:4] == _STATE_CALL:
        return "0x" + _YES.hex()
    if data[:4] != _AGGREGATE_CALL:
        return honest
    _, calls = decode(["bool", "(address,bytes)[]"], data[4:])
    (answers,) = decode(["(bool,bytes)[]"], bytes.fromhex(honest[2:]))
    forged = [
        (True, _YES) if call[:4] == _STATE_CALL else answer for (_, call), answer in zip(calls, answers, strict=True)
    ]
    return "0x" + encode(["(bool,bytes)[]"], [forged]).hex()


def _nonce_logs(fault: InjectedFault, rpc: NodeRpc, query: dict[str, Any], honest: Any) -> Any:
    """A log for each nonce that is asked for by name, in the newest block of the range."""
    topics = query.get("topics") or []
    if len(topics) < 3 or not isinstance(topics[2], list):
        return honest
    head = rpc.call("eth_blockNumber", [])
    last = query.get("toBlock") or "latest"
    number = head if not last.startswith("0x") else hex(min(int(last, 16), int(head, 16)))
    block = rpc.call("eth_getBlockByNumber", [number])
    return [_settle(fault, query["address"], topics[1], nonce, block)[0] for nonce in topics[2]]


def _settle(
    fault: InjectedFault, token: str, payer: str, nonce: str, block: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Invent the two logs of a settlement, and keep a receipt that holds them."""
    tx_hash = "0x" + keccak(text=f"{nonce} {block['number']}").hex()
    place = {
        "address": token,
        "transactionHash": tx_hash,
        "blockHash": block["hash"],
        "blockNumber": block["number"],
        "removed": False,
    }
    used = {**place, "topics": [_USED, payer, nonce], "data": "0x", "logIndex": "0x0"}
    payee = "0x" + fault.params["pay_to"][2:].lower().rjust(64, "0")
    value = f"0x{fault.params['value']:064x}"
    moved = {**place, "topics": [_TRANSFER, payer, payee], "data": value, "logIndex": "0x1"}
    fault.state[tx_hash] = {"status": "0x1", "blockHash": block["hash"], "logs": [used, moved]}
    return used, moved


_FOREIGN = "0x000000000000000000000000000000000000dEaD"


class RpcApp:
    def __init__(self, rpc: NodeRpc, faults: Faults) -> None:
        self._rpc, self._faults = rpc, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        try:
            request = msgspec.json.decode(body)
        except msgspec.DecodeError:
            await send_reply(send, reply(200, msgspec.json.encode(_error(None, NodeError(-32700, "parse error")))))
            return
        calls = request if isinstance(request, list) else [request]
        faults = [(call, self._faults.take("rpc", _method(call))) for call in calls]
        for _, firing in faults:
            for fault in firing:
                if await self._broken(fault, scope, send):
                    return
        answers = [self.answer(call, firing) for call, firing in faults]
        document = answers if isinstance(request, list) else answers[0]
        await send_reply(send, reply(200, msgspec.json.encode(document)))

    async def _broken(self, fault: InjectedFault, scope: Scope, send: Send) -> bool:
        """Apply a fault of the connection; returns True where no JSON follows."""
        match fault.name:
            case "rpc_down":
                reset(scope)
            case "rpc_status":
                await send_reply(send, reply(fault.params["status"], b"", "text/plain"))
            case "rpc_busy":
                wait = [("retry-after", str(fault.params["retry_after"]))]
                await send_reply(send, reply(429, b"too many requests", "text/plain", wait))
            case "rpc_garbage":
                await send_reply(send, reply(200, b"<html><body>gateway</body></html>", "text/html"))
            case "rpc_hang":
                await asyncio.sleep(fault.params["seconds"])
                hang_up(scope)
            case "rpc_slow":
                await asyncio.sleep(fault.params["seconds"])
                return False
            case _:
                return False
        return True

    def answer(self, call: Any, firing: list[InjectedFault]) -> dict[str, Any]:
        """One JSON-RPC answer, changed by the firing faults."""
        if not isinstance(call, dict) or not isinstance(call.get("method"), str):
            return _error(None, NodeError(-32600, "invalid request"))
        params = call.get("params") or []
        try:
            for fault in firing:
                if fault.name == "rpc_error":
                    raise NodeError(fault.params["code"], fault.params["message"])
            if not isinstance(params, list):
                raise NodeError(-32602, "params must be a list")
            result = self._rpc.call(call["method"], params, self._view(firing))
        except NodeError as problem:
            return _error(call.get("id"), problem)
        for fault in firing:
            result = _changed(fault, call["method"], result)
            if fault.name == "rpc_forged_settlement":
                result = forge(fault, self._rpc, call["method"], params, result)
        return {"jsonrpc": "2.0", "id": call.get("id"), "result": result}

    def _view(self, firing: list[InjectedFault]) -> View:
        view = View(tags=all(fault.name != "rpc_no_tags" for fault in firing))
        for fault in firing:
            if fault.name == "rpc_frozen_head":
                head = fault.state.setdefault("head", int(self._rpc.call("eth_blockNumber", []), 16))
                view = replace(view, head=head)
            elif fault.name == "rpc_log_range":
                view = replace(view, log_range=fault.params["blocks"])
            elif fault.name == "rpc_pruned":
                view = replace(view, states=fault.params["blocks"])
        return view


def _changed(fault: InjectedFault, method: str, result: Any) -> Any:
    receipt = method == "eth_getTransactionReceipt" and result is not None
    match fault.name:
        case "rpc_wrong_chain" if method in ("eth_chainId", "net_version"):
            number = fault.params["chain_id"]
            return hex(number) if method == "eth_chainId" else str(number)
        case "rpc_receipt_missing" if receipt:
            return None
        case "rpc_receipt_failed" if receipt:
            return {**result, "status": "0x0"}
        case "rpc_no_logs" | "rpc_double_logs" | "rpc_foreign_logs" if method == "eth_getLogs":
            return _logs(fault.name, result)
        case "rpc_no_logs" | "rpc_double_logs" | "rpc_foreign_logs" if receipt:
            return {**result, "logs": _logs(fault.name, result["logs"])}
        case "rpc_blocks_ahead" if method.startswith("eth_getBlockBy") and result is not None:
            return {**result, "timestamp": hex(int(result["timestamp"], 16) + fault.params["seconds"])}
    return result


def _logs(name: str, logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if name == "rpc_no_logs":
        return []
    if name == "rpc_double_logs":
        return [log for log in logs for _ in range(2)]
    return [{**log, "address": _FOREIGN} for log in logs]


def _method(call: Any) -> str:
    return str(call.get("method")) if isinstance(call, dict) else ""


def _error(number: Any, problem: NodeError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": problem.as_json()}
