"""A JSON-RPC server over the simulated chain, with what such servers do: lag, fail, lie. The real RpcChain reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from payer.chain.logs import CANCELLED, TRANSFER, USED
from payer.chain.nonces import MULTICALL3
from payer.chain.rpc import Call, RpcCallFailed, RpcClient
from payer.chain.server import DECIMALS, DOMAIN_SEPARATOR, NAME, VERSION
from payer.policy.rules import Policy
from payer.values.clock import Clock
from payer.values.errors import ChainUnreachable
from payer.values.money import Asset
from payer.wallet.eip3009 import domain_separator
from payer.wire.addresses import address_word
from tests.simulation.chain import SimChain, Tx, View
from tests.simulation.dice import Dice
from tests.simulation.liar import LIES, Liar
from tests.simulation.machine import Process

AUTHORIZATION_STATE = "0xe94a0102"


class SimRpc(RpcClient):
    """Answers batches of calls as one backend of a pool would: each batch may meet another one."""

    def __init__(self, url: str, policy: Policy, clock: Clock, chain: SimChain, dice: Dice, process: Process) -> None:
        super().__init__(url, clock)
        first = len(policy.servers) > 1 and url == policy.servers[0]
        lies = first and dice.hit("rpc_liar")
        self._liar = Liar(dice.of("rpc_liar").choice(LIES), chain) if lies else None
        self._chain_id = policy.chain_id
        [self._asset] = policy.assets.values()
        self._truth = chain
        self._dice = dice
        self._process = process

    async def call(self, calls: Sequence[Call]) -> list[Any]:
        if calls[-1][0] == "eth_getCode":  # a wallet has no code: nothing here depends on a roll of the dice
            return [hex(self._chain_id), "0x"]
        self._process.touch("rpc")
        await asyncio.sleep(0.05)
        self._process.check()
        dice = self._dice
        if dice.hit("rpc_down"):
            raise ChainUnreachable("simulated: no answer")
        behind = dice.of("rpc_stale").randint(1, 200) if dice.hit("rpc_stale") else 0
        chain_id = self._chain_id + dice.hit("rpc_other_chain")
        liar = None if dice.calm else self._liar
        backend = _Backend(self._truth, self._truth.view(behind), chain_id, dice, liar, self._asset)
        return [backend.answer(method, parameters) for method, parameters in calls]


class _Backend:
    def __init__(self, chain: SimChain, view: View, chain_id: int, dice: Dice, liar: Liar | None, asset: Asset) -> None:
        self._asset = asset
        self._chain = chain
        self._view = view
        self._chain_id = chain_id
        self._forgets = dice.hit("rpc_forget")
        self._sees_ghosts = dice.hit("rpc_ghost")
        self._has_no_logs = dice.hit("rpc_no_logs")
        self._dice = dice
        self._liar = liar

    def answer(self, method: str, parameters: list[Any]) -> Any:
        if self._dice.hit("rpc_error"):
            raise RpcCallFailed(method, -32000, "simulated")
        match method:
            case "eth_chainId":
                return hex(self._chain_id)
            case "eth_getBlockByNumber":
                block = self._block(parameters[0])
                return block if self._liar is None else self._liar.block(block)
            case "eth_call":
                number = self._view.head if parameters[1] == "latest" else int(parameters[1], 16)
                self._known(number)
                return self._call(parameters[0]["to"], parameters[0]["data"], number)
            case "eth_getLogs":
                logs = self._logs(parameters[0])
                return logs if self._liar is None else self._liar.logs(parameters[0], self._view, logs)
            case "eth_getTransactionReceipt":
                receipt = self._receipt(parameters[0])
                return receipt if self._liar is None else self._liar.receipt(parameters[0], receipt)
        raise AssertionError(f"the payer asked for {method}")

    def _known(self, block: int) -> None:
        if block > self._view.head:
            raise RpcCallFailed("eth_call", -32000, "header not found")

    def _block(self, tag: str) -> dict[str, str] | None:
        view = self._view
        number = {"latest": view.head, "safe": view.final, "finalized": view.final}.get(tag)
        number = int(tag, 16) if number is None else number
        if number > view.head:
            return None
        return {
            "number": hex(number),
            "timestamp": hex(self._chain.time_of(number)),
            "hash": self._chain.hash_of(number),
        }

    def _call(self, to: str, data: str, block: int) -> str:
        if to == MULTICALL3:
            return _aggregated([self._call(inner, call, block) for inner, call in _calls_in(data)])
        if data == DECIMALS:
            return f"0x{self._asset.decimals:064x}"
        if data == DOMAIN_SEPARATOR:
            return "0x" + domain_separator(self._asset).hex()
        if data in (NAME, VERSION):
            raise RpcCallFailed("eth_call", -32000, "execution reverted")
        if not data.startswith(AUTHORIZATION_STATE):
            return f"0x{self._chain.balance_at(block):064x}"
        used = self._chain.used_at("0x" + data[-64:], block) is not None
        if used and self._forgets:
            return "0x" + "0" * 64
        flag = f"0x{used or self._sees_ghosts:064x}"
        return flag if self._liar is None else self._liar.flag(flag)

    def _logs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        if self._has_no_logs or self._forgets:
            return []
        first, last = int(query["fromBlock"], 16), min(int(query["toBlock"], 16), self._view.head)
        if len(query["topics"]) > 2:
            found = [self._chain.used.get(nonce) for nonce in query["topics"][2]]
            kinds: tuple[str, ...] = (USED, CANCELLED)
        else:
            found, kinds = [*self._chain.past, *self._chain.log], (USED, TRANSFER)
        mined = [tx for tx in found if tx is not None and tx.block is not None and first <= tx.block <= last]
        return [log for tx in mined for log in self._logs_of(tx) if log["topics"][0] in kinds]

    def _logs_of(self, tx: Tx) -> list[dict[str, Any]]:
        a, block = tx.authorization, tx.block
        assert block is not None
        payer = "0x" + address_word(a.payer).hex()
        place = {
            "address": a.asset.address,
            "transactionHash": tx.tx_hash,
            "blockHash": self._chain.hash_of(block),
            "blockNumber": hex(block),
            "removed": False,
        }
        mark = {
            **place,
            "topics": [CANCELLED if tx.cancels else USED, payer, a.nonce],
            "data": "0x",
            "logIndex": hex(2 * tx.number),
        }
        if tx.cancels:
            return [mark]
        topics = [TRANSFER, payer, "0x" + address_word(a.pay_to).hex()]
        return [mark, {**place, "topics": topics, "data": f"0x{a.value:064x}", "logIndex": hex(2 * tx.number + 1)}]

    def _receipt(self, tx_hash: str) -> dict[str, Any] | None:
        tx = self._chain.by_hash.get(tx_hash)
        if tx is None or tx.block is None or tx.block > self._view.head:
            return None
        return {"status": "0x1", "blockHash": self._chain.hash_of(tx.block), "logs": self._logs_of(tx)}


def _calls_in(data: str) -> list[tuple[str, str]]:
    """(target, call data) of a tryAggregate(bool, (address, bytes)[])."""
    raw = bytes.fromhex(data[10:])
    start = _uint(raw, 32)
    entries = start + 32
    found = []
    for index in range(_uint(raw, start)):
        entry = entries + _uint(raw, entries + 32 * index)
        inner = entry + _uint(raw, entry + 32)
        length = _uint(raw, inner)
        found.append(("0x" + raw[entry + 12 : entry + 32].hex(), "0x" + raw[inner + 32 : inner + 32 + length].hex()))
    return found


def _uint(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 32], "big")


def _aggregated(words: list[str]) -> str:
    """(bool, bytes)[] of calls that each succeeded with one word."""
    heads = "".join(f"{32 * len(words) + 128 * index:064x}" for index in range(len(words)))
    bodies = "".join(f"{1:064x}{64:064x}{32:064x}{word[2:]}" for word in words)
    return f"0x{32:064x}{len(words):064x}{heads}{bodies}"
