"""The payer's Chain, answered from the truth directly: for most worlds, since reading JSON-RPC costs a quarter of them.

It lags, fails and lies as the RPC server of rpc.py does; worlds with `rpc` read that through the real RpcChain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from payer.chain.chain import Account, Head, TokenData
from payer.policy.rules import Policy
from payer.values.chain_view import ChainView, NonceState, Settlement, TransferOut
from payer.values.clock import Clock
from payer.values.errors import ChainUnreachable
from payer.values.money import Asset
from payer.wallet.eip3009 import domain_separator
from tests.simulation.chain import SimChain, Tx, View
from tests.simulation.dice import Dice
from tests.simulation.machine import Process

_UNUSED, _USED, _CANCELLED = NonceState.UNUSED, NonceState.USED, NonceState.CANCELLED


class Oracle:
    """Implements payer.chain.Chain for one process."""

    def __init__(self, policy: Policy, clock: Clock, chain: SimChain, dice: Dice, process: Process) -> None:
        self._ahead = policy.max_head_ahead
        self._clock = clock
        self._chain = chain
        self._dice = dice
        self._process = process

    async def _view(self) -> View:
        self._process.touch("rpc")
        await asyncio.sleep(0.1)
        self._process.check()
        dice = self._dice
        if dice.hit("rpc_down") or dice.hit("rpc_other_chain"):
            raise ChainUnreachable("simulated: no answer")
        view = self._chain.view(dice.of("rpc_stale").randint(1, 200) if dice.hit("rpc_stale") else 0)
        if self._chain.time_of(view.head) - self._clock.now().timestamp() > self._ahead:
            raise ChainUnreachable("simulated: a head from the future")
        return view

    async def head(self) -> Head:
        view = await self._view()
        return Head(view.head, self._chain.time_of(view.head), view.final, self._chain.time_of(view.final))

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        view = await self._view()
        head_time, final_time = self._chain.time_of(view.head), self._chain.time_of(view.final)
        forgets, ghosts = self._dice.hit("rpc_forget"), self._dice.hit("rpc_ghost")
        no_logs = self._dice.hit("rpc_no_logs")
        seen = {}
        for nonce in nonces:
            tx = None if forgets else self._chain.used_at(nonce, view.head)
            state = _state(tx, no_logs) if tx is not None else _USED if ghosts else _UNUSED
            old = ghosts or (tx is not None and tx.block is not None and tx.block <= view.final)
            proof = self._settlement(tx, view) if tx is not None and not tx.cancels and not no_logs else None
            final = state if old else _UNUSED
            seen[nonce] = ChainView(view.head, head_time, view.final, final_time, state, final, proof)
        return seen

    def _settlement(self, tx: Tx, view: View) -> Settlement:
        assert tx.block is not None
        return Settlement(
            tx_hash=tx.tx_hash,
            block_number=tx.block,
            block_hash=self._chain.hash_of(tx.block),
            block_time=datetime.fromtimestamp(self._chain.time_of(tx.block), UTC),
            pay_to=tx.authorization.pay_to,
            value=tx.authorization.value,
            final=tx.block <= view.final,
        )

    async def balance(self, asset: Asset, owner: str) -> int:
        await self._view()
        return self._chain.balance

    async def token(self, asset: Asset) -> TokenData:
        await self._view()
        return TokenData(asset.decimals, asset.eip712_name, asset.eip712_version, domain_separator(asset))

    async def code(self, address: str) -> bytes:
        return b""

    async def ask(self, contract: str, data: str) -> str | None:
        return None

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        view = await self._view()
        if self._dice.hit("rpc_no_logs"):
            return []
        every = (*self._chain.past, *self._chain.log)
        mined = [tx for tx in every if tx.block is not None and from_block <= tx.block <= to_block]
        return [_transfer(tx, self._chain) for tx in mined if not tx.cancels and (tx.block or 0) <= view.head]

    async def paid(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        return await self.transfers(asset, payer, from_block, to_block)

    async def block_times(self, blocks: Collection[int]) -> Mapping[int, int]:
        await self._view()
        return {number: self._chain.time_of(number) for number in blocks}

    async def account(self, asset: Asset, owner: str, from_block: int, to_block: int) -> Account | None:
        return None


def _state(tx: Tx, no_logs: bool) -> NonceState:
    return _CANCELLED if tx.cancels and not no_logs else _USED


def _transfer(tx: Tx, chain: SimChain) -> TransferOut:
    assert tx.block is not None
    a = tx.authorization
    return TransferOut(tx.tx_hash, 2 * tx.number + 1, tx.block, chain.hash_of(tx.block), a.pay_to, a.value, a.nonce)
