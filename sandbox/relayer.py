"""The account that settles for the facilitator: the SDK's signer protocol on the node of this process.

The SDK's own web3 signer would do the same over HTTP at three times the cost, and leaves a gap for ever when one of its
transactions is dropped from the pool: this one always takes the node's own next nonce.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from eth_abi.abi import decode
from eth_account import Account
from x402.mechanisms.evm.multicall import encode_contract_call
from x402.mechanisms.evm.types import TransactionReceipt

from sandbox.chain.rpc import NodeError, NodeRpc
from sandbox.keys import CHAIN_ID

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
        types = [_type(output) for output in _outputs(abi, function_name)]
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


def _outputs(abi: list[dict[str, Any]], function_name: str) -> list[dict[str, Any]]:
    function = next(entry for entry in abi if entry.get("name") == function_name)
    outputs: list[dict[str, Any]] = function.get("outputs", [])
    return outputs


def _type(parameter: dict[str, Any]) -> str:
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(_type(component) for component in parameter["components"]) + ")" + kind[len("tuple") :]


def _as_web3_log(log: dict[str, Any]) -> dict[str, Any]:
    """The SDK expects a log as web3 gives it: topics and data as bytes."""
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    return {**log, "topics": topics, "data": bytes.fromhex(log["data"][2:])}
