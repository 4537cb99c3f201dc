"""Forge settlements: a node that shows every nonce as used and settled, consistently, whatever the chain holds."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from sandbox.chain.rpc import NodeRpc
from sandbox.faults import InjectedFault

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
