"""Read the chain from one server or several: reads fail over to the next, and nonces are looked up at all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from payer.chain.agreement import combine
from payer.chain.chain import Account, Head, Progress, TokenData
from payer.chain.log_ranges import LogRanges, RangesInMemory
from payer.chain.rpc import RpcClient
from payer.chain.server import RpcServer
from payer.policy.clock_skew import ClockReadings
from payer.policy.rules import Policy
from payer.values.chain_view import ChainView, TransferOut
from payer.values.clock import Clock
from payer.values.errors import ChainUnreachable
from payer.values.money import Asset

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
