"""RPC methods for tests: mine, move time, go back, drop transactions. Named as in anvil where anvil has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.chain.chain import LocalChain
from sandbox.chain.rpc import NodeRpc


def add_control(rpc: NodeRpc, chain: LocalChain) -> None:
    def mine(count: Any = 1) -> str:
        chain.mine(_number(count))
        return "0x0"

    def set_automine(on: bool) -> bool:
        chain.automine = bool(on)
        if chain.automine and chain.pool():
            chain.mine()
        return True

    def set_next_timestamp(time: Any) -> bool:
        if _number(time) < chain.head.time:
            raise ValueError(f"timestamp {_number(time)} is before the head's {chain.head.time}")
        chain.next_time = _number(time)
        return True

    def increase_time(seconds: Any) -> str:
        chain.time_offset += _number(seconds)
        return hex(chain.time_offset)

    verbs: dict[str, Callable[..., Any]] = {
        "evm_mine": mine,
        "evm_setAutomine": set_automine,
        "evm_setNextBlockTimestamp": set_next_timestamp,
        "evm_increaseTime": increase_time,
        "evm_snapshot": lambda: hex(chain.snapshot()),
        "evm_revert": lambda snapshot: chain.revert(_number(snapshot)),
        "sandbox_dropTransaction": lambda tx_hash=None: chain.drop(bytes.fromhex(tx_hash[2:]) if tx_hash else None),
        "sandbox_reorg": lambda depth=1, keep=True: hex(chain.reorg(_number(depth), bool(keep))),
        "sandbox_pool": lambda: ["0x" + tx.hash.hex() for tx in chain.pool()],
    }
    for name, verb in verbs.items():
        rpc.add(name, verb)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else int(value, 16)
