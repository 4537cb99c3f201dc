"""Read a token's logs about one payer: authorizations used and cancelled, transfers out (EIP-3009, EIP-20)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from payer.chain.chain import PAGE_BLOCKS, LogRanges, Progress, unwatched
from payer.chain.rpc import Call, RpcCallFailed, RpcClient, malformed, quantity, refused
from payer.values.money import Asset
from payer.wire.addresses import address_word, is_hash
from payer.wire.strict_json import shown

USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
CANCELLED = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

_NONCES_PER_QUERY = 100


@dataclass(frozen=True, slots=True)
class Log:
    """One log of the token. `value` is a Transfer's atomic units, 0 for other events."""

    block_number: int
    index: int
    tx_hash: str
    block_hash: str
    topics: tuple[str, ...]
    value: int

    @property
    def event(self) -> str:
        """The topic of the event: USED, CANCELLED or TRANSFER."""
        return self.topics[0]

    @property
    def nonce(self) -> str:
        """The nonce of an AuthorizationUsed or AuthorizationCanceled."""
        return self.topics[2]


@dataclass(frozen=True, slots=True)
class Mark:
    """A log that claims a nonce was used or cancelled, before its receipt has been read."""

    log: Log
    cancelled: bool


class LogReader:
    """Reads eth_getLogs in pages as wide as the server answers for, which is learned from its errors and kept.

    `searching` is told of each search for nonces.
    """

    def __init__(self, rpc: RpcClient, server: str, ranges: LogRanges) -> None:
        self._rpc = rpc
        self._server = server
        self._ranges = ranges
        self.searching: Progress = unwatched

    async def marks(
        self, asset: Asset, payer: str, starts: Mapping[str, int | None], head: int, lookback: int
    ) -> Mapping[str, list[Mark]]:
        """Claims about each nonce within `lookback` blocks of where its search begins; a nonce without any is absent.

        A nonce signed at a known block is searched from there upwards. One whose block is unknown (None), or that is
        not found above it (another machine was first, a reorg moved it, a server lied), is searched from the head
        downwards, since it was most likely used recently.
        """
        marks: dict[str, list[Mark]] = {}
        signed_at = {nonce: min(start, head) for nonce, start in starts.items() if start is not None}
        for group in _near_each_other(signed_at):
            start = signed_at[group[0]]
            pages = await self._pages(start, min(head, start + lookback + PAGE_BLOCKS))
            await self._search(asset, payer, group, pages, marks)
        missing = sorted(nonce for nonce in starts if nonce not in marks)
        for first in range(0, len(missing), _NONCES_PER_QUERY):
            pages = await self._pages(max(0, head - lookback), head)
            await self._search(asset, payer, missing[first : first + _NONCES_PER_QUERY], pages[::-1], marks)
        return marks

    async def _search(
        self, asset: Asset, payer: str, group: list[str], pages: Sequence[range], marks: dict[str, list[Mark]]
    ) -> None:
        """Add the claims in some pages to `marks`, until every nonce of the group has one."""
        missing, read, of = set(group), 0, sum(map(len, pages))
        self.searching(read, of)
        for page in pages:
            topics = [[USED, CANCELLED], _topic(payer), sorted(missing)]
            logs = await self._page(asset, topics, page)
            marks.update(marks_of(logs))
            missing -= set(marks)
            read += len(page)
            self.searching(read, of)
            if not missing:
                return

    async def of_payer(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[Log]:
        """Every AuthorizationUsed of the payer and every Transfer out of it, in the blocks, both ends included."""
        logs: list[Log] = []
        for page in await self._pages(from_block, to_block):
            logs += await self._page(asset, [[USED, TRANSFER], _topic(payer)], page)
        return logs

    async def received(self, asset: Asset, owner: str, from_block: int, to_block: int) -> int:
        """Atomic units of every Transfer to the owner in the blocks, both ends included."""
        topics = [TRANSFER, None, _topic(owner)]
        pages = await self._pages(from_block, to_block)
        return sum([log.value for page in pages for log in await self._page(asset, topics, page)])

    async def _page(self, asset: Asset, topics: list[Any], page: range) -> list[Log]:
        """The logs of a page, in parts where the server refuses it as a whole."""
        logs: list[Log] = []
        at, width, known = page.start, await self._width(), None
        while at < page.stop:
            part = range(at, min(at + width, page.stop))
            query = {"address": asset.address, "topics": topics, "fromBlock": hex(part[0]), "toBlock": hex(part[-1])}
            call: Call = ("eth_getLogs", [query])
            try:
                (raw,) = await self._rpc.attempt([call])
            except RpcCallFailed as error:
                if error.refusal.gone or len(part) == 1:
                    raise refused(error) from None
                width = error.refusal.narrower(len(part))
                # How many logs there are is a matter of these blocks, not of the server.
                known = None if error.refusal.results else width
                continue
            if known is not None and len(part) == known:
                ranges, now = self._ranges, self._rpc.now()
                await ranges.in_thread(ranges.keep_log_range, self._server, known, now)
                known = None
            logs += _checked(raw, asset, topics, part)
            at = part.stop
        return logs

    async def _width(self) -> int:
        """The widest range to ask for: the one that is known for the server, if that is narrower than ours."""
        ranges = self._ranges
        known = await ranges.in_thread(ranges.log_range, self._server, self._rpc.now())
        return min(known or PAGE_BLOCKS, PAGE_BLOCKS)

    async def _pages(self, first: int, last: int) -> list[range]:
        width = await self._width()
        return [range(at, min(at + width, last + 1)) for at in range(max(0, first), last + 1, width)]


def _near_each_other(starts: Mapping[str, int]) -> Iterator[list[str]]:
    """Group nonces so that one page of blocks can hold a whole group; each group begins with its lowest start."""
    group: list[str] = []
    for nonce in sorted(starts, key=lambda name: (starts[name], name)):
        if group and (starts[nonce] - starts[group[0]] >= PAGE_BLOCKS or len(group) == _NONCES_PER_QUERY):
            yield group
            group = []
        group.append(nonce)
    if group:
        yield group


def _topic(address: str) -> str:
    return "0x" + address_word(address).hex()


def _checked(raw: object, asset: Asset, topics: list[Any], page: range) -> list[Log]:
    """The logs that match the query, each once and in order; a server may send others."""
    if not isinstance(raw, list):
        raise malformed(f"eth_getLogs returned {shown(raw)}")
    matching: dict[tuple[str, int], Log] = {}
    for entry in raw:
        log = read_log(entry, asset)
        if log is not None and log.block_number in page and _matches(log, topics):
            matching[log.block_hash, log.index] = log
    return sorted(matching.values(), key=lambda log: (log.block_number, log.index))


def _matches(log: Log, topics: list[Any]) -> bool:
    if len(log.topics) < len(topics):
        return False
    return all(
        want is None or (have in want if isinstance(want, list) else have == want)
        for have, want in zip(log.topics, topics, strict=False)
    )


def read_log(entry: object, asset: Asset) -> Log | None:
    """Read one log; None when it is another contract's, removed by a reorg, or none of the three events.

    Raises ChainUnreachable for a malformed one.
    """
    if not isinstance(entry, dict):
        raise malformed(f"a log is {shown(entry)}")
    address, topics = entry.get("address"), entry.get("topics")
    if not isinstance(address, str) or not isinstance(topics, list) or not all(map(is_hash, topics)):
        raise malformed("a log has no address or topics")
    if address.lower() != asset.address.lower() or entry.get("removed") is True:
        return None
    if len(topics) != 3 or topics[0].lower() not in (USED, CANCELLED, TRANSFER):
        return None
    tx_hash, block_hash = entry.get("transactionHash"), entry.get("blockHash")
    if not is_hash(tx_hash) or not is_hash(block_hash):
        raise malformed("a log has no transaction or block")
    names = tuple(topic.lower() for topic in topics)
    return Log(
        block_number=quantity(entry.get("blockNumber"), "a log's block"),
        index=quantity(entry.get("logIndex"), "a log's index"),
        tx_hash=str(tx_hash).lower(),
        block_hash=str(block_hash).lower(),
        topics=names,
        value=_value(entry.get("data")) if names[0] == TRANSFER else 0,
    )


def _value(data: object) -> int:
    if not is_hash(data):
        raise malformed(f"a Transfer's data is {shown(data)}")
    return int(str(data), 16)


def marks_of(logs: Iterable[Log]) -> dict[str, list[Mark]]:
    marks: dict[str, list[Mark]] = {}
    for log in logs:
        if log.event in (USED, CANCELLED):
            marks.setdefault(log.nonce, []).append(Mark(log, cancelled=log.event == CANCELLED))
    return marks


def transfers_of(logs: Iterable[Log]) -> list[tuple[Log, str | None]]:
    """Each Transfer with the nonce that authorized it, None for one made without an authorization.

    Within a transaction a token first emits AuthorizationUsed, then Transfer, so an AuthorizationUsed belongs to the
    next Transfer. One without a Transfer after it takes the nearest unclaimed one before it (the other order).
    """
    by_transaction: dict[tuple[str, str], list[Log]] = {}
    for log in logs:
        by_transaction.setdefault((log.block_hash, log.tx_hash), []).append(log)
    paired: list[tuple[Log, str | None]] = []
    for members in by_transaction.values():
        paired += _pair(sorted(members, key=lambda log: log.index))
    return sorted(paired, key=lambda pair: (pair[0].block_number, pair[0].index))


def _pair(logs: list[Log]) -> list[tuple[Log, str | None]]:
    """Pair the Transfers and AuthorizationUsed logs of one transaction."""
    nonces: dict[int, str] = {}
    transfers = [log for log in logs if log.event == TRANSFER]
    late: list[Log] = []
    uses = [log for log in logs if log.event == USED]
    for position, use in enumerate(uses):
        end = uses[position + 1].index if position + 1 < len(uses) else None
        after = [log for log in transfers if log.index > use.index and (end is None or log.index < end)]
        if after:
            nonces[after[0].index] = use.nonce
        else:
            late.append(use)
    for use in late:
        before = [log for log in transfers if log.index < use.index and log.index not in nonces]
        if before:
            nonces[before[-1].index] = use.nonce
    return [(log, nonces.get(log.index)) for log in transfers]
