"""Read the chain from one server or several: reads fail over to the next, and nonces are looked up at all of them.

A server is a witness, not a judge. What only one of several says frees no money; what contradicts another's word proves
nothing. docs/payments.md has the rules as a table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from payer.chain.chain import Account, Head, LogRanges, Progress, RangesInMemory, TokenData
from payer.chain.rpc import RpcClient
from payer.chain.server import RpcServer
from payer.policy.clock_skew import ClockReadings
from payer.policy.rules import Policy
from payer.values.chain_view import ChainView, NonceState, Settlement, TransferOut
from payer.values.clock import Clock
from payer.values.errors import ChainUnreachable
from payer.values.money import Asset

NEEDED = 2
"""Servers that must say the same before money is freed, where as many are configured."""


def combine(views: Sequence[ChainView], configured: int) -> ChainView:
    """Return one view from those of all servers that answered (at least one), of so many that are configured.

    Heads and final blocks are the oldest that any server has. A nonce that any server calls used is used. A settlement
    is shown if no server that has seen its block contradicts it, and final if as many call it final as must agree.
    """
    needed = min(NEEDED, configured)
    oldest = min(views, key=lambda view: view.head_number)
    final = min(views, key=lambda view: (view.final_time, view.final_number))
    states, finals = {view.state for view in views}, {view.state_final for view in views}
    settlement = _undisputed(views, needed)
    return ChainView(
        head_number=oldest.head_number,
        head_time=oldest.head_time,
        final_number=final.final_number,
        final_time=final.final_time,
        state=states.pop() if len(states) == 1 else NonceState.USED,
        state_final=finals.pop() if len(finals) == 1 else NonceState.UNUSED,
        settlement=settlement,
        agreed=len(views) >= needed and len({(view.state, view.state_final) for view in views}) == 1,
    )


def _undisputed(views: Sequence[ChainView], needed: int) -> Settlement | None:
    """The one settlement that servers show, unless one that has seen its block knows of none, or of another."""
    shown = [view.settlement for view in views if view.settlement is not None]
    if not shown or len({(s.tx_hash, s.block_hash, s.pay_to, s.value) for s in shown}) > 1:
        return None
    settled = shown[0]
    if any(view.state is not NonceState.USED and view.head_number >= settled.block_number for view in views):
        return None
    return replace(settled, final=sum(one.final for one in shown) >= needed)


T = TypeVar("T")
Connect = Callable[[str], RpcClient]


class RpcChain:
    """`ChainReader` over the servers that policy names.

    `ranges` keeps the block ranges that they answer for; without one they are learned by each process. `clocks`
    collects how far our clock is from theirs.
    """

    def __init__(
        self,
        policy: Policy,
        clock: Clock,
        ranges: LogRanges | None = None,
        connect: Connect | None = None,
        clocks: ClockReadings | None = None,
    ) -> None:
        kept = RangesInMemory() if ranges is None else ranges
        opened = connect or (lambda url: RpcClient(url, clock, batch=policy.rpc_batch, clocks=clocks))
        self._clients = [opened(url) for url in policy.servers]
        named = zip(policy.servers, self._clients, strict=True)
        self.servers = [RpcServer(policy, clock, client, host(url), kept) for url, client in named]

    async def head(self) -> Head:
        return await self._first(lambda server: server.head())

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        """Ask every server, and combine what those say that answer. Raises ChainUnreachable if none does."""
        seen = await self._all(lambda server: server.look(asset, payer, nonces))
        return {nonce: combine([views[nonce] for views in seen], len(self.servers)) for nonce in nonces}

    async def balance(self, asset: Asset, owner: str) -> int:
        return await self._first(lambda server: server.balance(asset, owner))

    async def token(self, asset: Asset) -> TokenData:
        return await self._first(lambda server: server.token(asset))

    async def code(self, address: str) -> bytes:
        return await self._first(lambda server: server.code(address))

    async def ask(self, contract: str, data: str) -> str | None:
        return await self._first(lambda server: server.ask(contract, data))

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        return await self._first(lambda server: server.transfers(asset, payer, from_block, to_block))

    async def paid(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        """Ask every server, and join what those show that answer: a log that one leaves out is still counted."""
        shown = await self._all(lambda server: server.transfers(asset, payer, from_block, to_block))
        joined = {(each.tx_hash, each.log_index): each for answer in shown for each in answer}
        return sorted(joined.values(), key=lambda each: (each.block_number, each.log_index))

    async def block_times(self, blocks: Collection[int]) -> Mapping[int, int]:
        return await self._first(lambda server: server.block_times(blocks))

    async def account(self, asset: Asset, owner: str, from_block: int, to_block: int) -> Account | None:
        return await self._first(lambda server: server.account(asset, owner, from_block, to_block))

    def watch(self, searching_of: Callable[[str], Progress]) -> None:
        """Have the searches of each server, by its host, tell how far they are."""
        for server in self.servers:
            server.watch(searching_of(server.name))

    async def heads(self) -> dict[str, Head | ChainUnreachable]:
        """The head of each server by its host, or its error: shows which of them is at fault."""
        answers = await asyncio.gather(*(_answer(server.head()) for server in self.servers))
        return {server.name: answer for server, answer in zip(self.servers, answers, strict=True)}

    async def _all(self, read: Callable[[RpcServer], Awaitable[T]]) -> list[T]:
        """The answers of every server that gives one. Raises ChainUnreachable if none does."""
        answers = await asyncio.gather(*(_answer(read(server)) for server in self.servers))
        given = [answer for answer in answers if not isinstance(answer, ChainUnreachable)]
        if not given:
            raise self._unreachable([answer for answer in answers if isinstance(answer, ChainUnreachable)])
        return given

    async def _first(self, read: Callable[[RpcServer], Awaitable[T]]) -> T:
        errors = []
        for server in self.servers:
            answer = await _answer(read(server))
            if not isinstance(answer, ChainUnreachable):
                return answer
            errors.append(answer)
        raise self._unreachable(errors)

    def _unreachable(self, errors: list[ChainUnreachable]) -> ChainUnreachable:
        if len(errors) == 1:
            return errors[0]
        named = zip(self.servers, errors, strict=True)
        what = "; ".join(f"{server.name}: {error.what}" for server, error in named)
        return ChainUnreachable(f"none of {len(errors)} chain servers can be read: {what}", advice=errors[0].fix)

    async def aclose(self) -> None:
        """Close the connections; the reader may be used again afterwards."""
        for client in self._clients:
            await client.aclose()


async def _answer(reading: Awaitable[T]) -> T | ChainUnreachable:
    try:
        return await reading
    except ChainUnreachable as error:
        return error


def host(url: str) -> str:
    """A server's host and port, which hold no key."""
    return urlsplit(url).netloc.lower()
