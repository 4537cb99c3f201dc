"""The JSON-RPC methods that a payer, a facilitator and the usual client libraries call, over a LocalChain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from eth_typing import Address
from eth_utils.address import to_canonical_address

from sandbox.chain.chain import LocalChain
from sandbox.chain.encode import data, revert_text, tx_json
from sandbox.chain.evm import GAS_LIMIT, Called
from sandbox.chain.pool import Rejected
from sandbox.chain.store import BlockRow
from sandbox.keys import CHAIN_ID

_TIP = 1_000_000_000
_ZERO = "0x" + "00" * 20


class NodeError(Exception):
    """An error answer of JSON-RPC."""

    def __init__(self, code: int, message: str, payload: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.payload = code, message, payload

    def as_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return error if self.payload is None else {**error, "data": self.payload}


@dataclass(frozen=True, slots=True)
class View:
    """The view through a faulty endpoint: nothing above `head`, no `safe` or `finalized` tags, logs of at most
    `log_range` blocks at once, the state of the newest `states` blocks only."""

    head: int | None = None
    tags: bool = True
    log_range: int | None = None
    states: int | None = None


class NodeRpc:
    """One method call at a time: `call("eth_chainId", [])`. Raises NodeError, nothing else, for bad input."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self._methods: dict[str, Callable[..., Any]] = {
            name: getattr(self, name) for name in dir(self) if name.startswith(("eth_", "net_", "web3_"))
        }

    def add(self, name: str, method: Callable[..., Any]) -> None:
        """Add a method; it gets the positional parameters of the request."""
        self._methods[name] = lambda _view, *params: method(*params)

    def call(self, method: str, params: list[Any], view: View | None = None) -> Any:
        function = self._methods.get(method)
        if function is None:
            raise NodeError(-32601, f"the method {method} does not exist/is not available")
        with self._chain.lock:
            self._chain.keep_up()
            try:
                return function(view or View(), *params)
            except (TypeError, ValueError, AttributeError, KeyError, IndexError) as problem:
                raise NodeError(-32602, f"invalid argument: {problem}") from problem

    def eth_chainId(self, view: View) -> str:
        return hex(CHAIN_ID)

    def net_version(self, view: View) -> str:
        return str(CHAIN_ID)

    def web3_clientVersion(self, view: View) -> str:
        return "tollbook-sandbox/py-evm"

    def _head(self, view: View) -> BlockRow:
        head = self._chain.head
        if view.head is None or view.head >= head.number:
            return head
        return self._chain.block(view.head) or head

    def _row(self, view: View, tag: str | dict[str, Any]) -> BlockRow | None:
        """The block a tag, number or EIP-1898 object names; None when there is no such block."""
        if isinstance(tag, dict):
            if "blockHash" in tag:
                row = self._chain.store.block_by_hash(_bytes(tag["blockHash"], 32))
                return row if row is not None and row.number <= self._head(view).number else None
            tag = tag["blockNumber"]
        head = self._head(view)
        if tag in ("latest", "pending"):
            return head
        if tag in ("safe", "finalized"):
            return self._lagging(view, tag, head)
        number = 0 if tag == "earliest" else whole(str(tag))
        return self._chain.block(number) if number <= head.number else None

    def _lagging(self, view: View, tag: str, head: BlockRow) -> BlockRow:
        if not view.tags:
            raise NodeError(-32000, f"{tag} block not found")
        pace = self._chain.pace
        row = self._chain.lagging(pace.safe_lag if tag == "safe" else pace.finalized_lag)
        return min(row, head, key=lambda block: block.number)

    def _existing(self, view: View, tag: str | dict[str, Any]) -> BlockRow:
        row = self._row(view, tag)
        if row is None:
            raise NodeError(-32000, "header not found")
        return row

    def _with_state(self, view: View, tag: str | dict[str, Any]) -> BlockRow:
        """The block, if its state is kept. The error is geth's."""
        row = self._existing(view, tag)
        if view.states is not None and self._head(view).number - row.number >= view.states:
            raise NodeError(
                -32000, f"missing trie node {'00' * 32} (path ) state of block {row.number} is not available"
            )
        return row

    def eth_blockNumber(self, view: View) -> str:
        return hex(self._head(view).number)

    def eth_getBlockByNumber(self, view: View, tag: str, full: bool = False) -> Any:
        return self._block(self._row(view, tag), full)

    def eth_getBlockByHash(self, view: View, block_hash: str, full: bool = False) -> Any:
        return self._block(self._row(view, {"blockHash": block_hash}), full)

    def _block(self, row: BlockRow | None, full: bool) -> Any:
        if row is None:
            return None
        block = msgspec.json.decode(row.json)
        if full:
            block["transactions"] = [self.eth_getTransactionByHash(View(), h) for h in block["transactions"]]
        return block

    def eth_getBalance(self, view: View, address: str, tag: Any = "latest") -> str:
        return hex(self._chain.state(self._with_state(view, tag)).get_balance(_address(address)))

    def eth_getCode(self, view: View, address: str, tag: Any = "latest") -> str:
        return data(self._chain.state(self._with_state(view, tag)).get_code(_address(address)))

    def eth_getTransactionCount(self, view: View, address: str, tag: Any = "latest") -> str:
        if tag == "pending":
            return hex(self._chain.next_nonce(_address(address)))
        return hex(self._chain.state(self._with_state(view, tag)).get_nonce(_address(address)))

    def eth_call(self, view: View, request: dict[str, Any], tag: Any = "latest", *overrides: Any) -> str:
        if overrides and any(overrides):
            raise NodeError(-32602, "state overrides are not supported")
        return data(self._run(view, request, tag).output)

    def eth_estimateGas(self, view: View, request: dict[str, Any], tag: Any = "latest") -> str:
        called = self._run(view, request, tag)
        # A callee gets 63/64 of what is left (EIP-150), and refunds come only at the end: leave room for both.
        return hex(min(called.gas_used * 5 // 4 + 5_000, GAS_LIMIT) if called.gas_used > 21_000 else 21_000)

    def _run(self, view: View, request: dict[str, Any], tag: Any) -> Called:
        at_head = tag in ("latest", "pending") and view.head is None
        called = self._chain.call(
            None if at_head else self._with_state(view, tag),
            sender=_address(request.get("from") or _ZERO),
            to=_address(request["to"]) if request.get("to") else b"",
            data=_bytes(request.get("input") or request.get("data") or "0x"),
            value=whole(request.get("value") or "0x0"),
            gas=min(whole(request.get("gas") or hex(GAS_LIMIT)), GAS_LIMIT),
        )
        if called.reverted:
            raise NodeError(3, revert_text(called.output), data(called.output))
        if called.failure is not None:
            raise NodeError(-32000, called.failure or "execution failed")
        return called

    def eth_sendRawTransaction(self, view: View, raw: str) -> str:
        try:
            return data(self._chain.send(_bytes(raw)))
        except Rejected as problem:
            raise NodeError(-32000, str(problem)) from problem

    def eth_getTransactionByHash(self, view: View, tx_hash: str) -> Any:
        wanted = _bytes(tx_hash, 32)
        located = self._chain.store.tx(wanted)
        if located is not None and located[0] <= self._head(view).number:
            return msgspec.json.decode(located[1].json)
        waiting = self._chain.pool.get(wanted)
        return None if waiting is None else tx_json(waiting, None, self._chain.base_fee())

    def eth_getTransactionReceipt(self, view: View, tx_hash: str) -> Any:
        located = self._chain.store.tx(_bytes(tx_hash, 32))
        if located is None or located[0] > self._head(view).number:
            return None
        return msgspec.json.decode(located[1].receipt)

    def eth_getLogs(self, view: View, wanted: dict[str, Any]) -> list[Any]:
        first, last = self._range(view, wanted)
        addresses = [_address(item) for item in _listed(wanted.get("address"))]
        topics = [
            None if item is None else [_bytes(t, 32) for t in _listed(item)] for item in wanted.get("topics") or []
        ]
        return [msgspec.json.decode(text) for text in self._chain.store.logs(first, last, addresses, topics)]

    def _range(self, view: View, wanted: dict[str, Any]) -> tuple[int, int]:
        if "blockHash" in wanted:
            if "fromBlock" in wanted or "toBlock" in wanted:
                raise NodeError(-32602, "cannot specify both blockHash and fromBlock/toBlock")
            number = self._existing(view, {"blockHash": wanted["blockHash"]}).number
            return number, number
        first, last = (self._bound(view, wanted.get(end) or "latest") for end in ("fromBlock", "toBlock"))
        if first > last:
            raise NodeError(-32602, "invalid block range params")
        if view.log_range is not None and last - first >= view.log_range:
            raise NodeError(-32005, f"query exceeds max block range {view.log_range}")
        return first, min(last, self._head(view).number)

    def _bound(self, view: View, tag: str) -> int:
        return whole(tag) if tag.startswith("0x") else self._existing(view, tag).number

    def eth_gasPrice(self, view: View) -> str:
        return hex(self._chain.base_fee() + _TIP)

    def eth_maxPriorityFeePerGas(self, view: View) -> str:
        return hex(_TIP)

    def eth_feeHistory(self, view: View, count: str | int, newest: str, rewards: list[float] | None = None) -> Any:
        last = self._existing(view, newest).number
        first = max(last - whole(count) + 1, 0)
        headers = [self._chain.header(self._existing(view, hex(number))) for number in range(first, last + 1)]
        history: dict[str, Any] = {
            "oldestBlock": hex(first),
            "baseFeePerGas": [hex(header.base_fee_per_gas or 0) for header in headers] + [hex(self._chain.base_fee())],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        }
        return {**history, "reward": [[hex(_TIP)] * len(rewards) for _ in headers]} if rewards else history


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def whole(value: str | int) -> int:
    """A number of JSON-RPC: hex text, or a plain one."""
    return value if isinstance(value, int) else int(value, 16)


def _bytes(text: str, length: int | None = None) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError("hex string without 0x prefix")
    value = bytes.fromhex(text[2:])
    if length is not None and len(value) != length:
        raise ValueError(f"want {length} bytes of hex, got {len(value)}")
    return value


def _address(text: str) -> Address:
    return to_canonical_address(_bytes(text, 20))
