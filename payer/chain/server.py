"""Read the chain from one server over JSON-RPC, at pinned blocks; a payment counts only with its logs (I9).

`authorizationState` alone says "used or cancelled" (EIP-3009). Paid means: the token emitted AuthorizationUsed for our
nonce in a transaction that succeeded, with a Transfer from us beside it. A used nonce whose log is not found within
`lookback_blocks` is reported as USED without a settlement: neither paid nor cancelled is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from payer.chain import nonces as flags
from payer.chain.chain import Account, Head, LogRanges, Progress, TokenData
from payer.chain.logs import Log, LogReader, transfers_of
from payer.chain.nonces import Proof, read_proofs
from payer.chain.rpc import Call, RpcCallFailed, RpcClient, eth_call, malformed, quantity, word
from payer.policy.rules import Policy
from payer.values.chain_view import ChainView, NonceState, Settlement, TransferOut
from payer.values.clock import Clock
from payer.values.errors import ChainUnreachable
from payer.values.money import Asset
from payer.wire.addresses import address_word, checksum
from payer.wire.strict_json import shown

_BALANCE_OF = "0x70a08231"
DECIMALS = "0x313ce567"
NAME = "0x06fdde03"
VERSION = "0x54fd4d50"
DOMAIN_SEPARATOR = "0x3644e515"
_WORD = 32
_MOST_DECIMALS = 255
_LONGEST_TEXT = 1000
_BYTES = re.compile(r"0x([0-9a-fA-F]{2})*", re.ASCII)


class RpcServer:
    """`ChainReader` over one server. Reads name their block, so that one look shows one moment.

    `name` is the server's host: its URL may hold a key and is never shown (I10).
    """

    def __init__(self, policy: Policy, clock: Clock, rpc: RpcClient, name: str, ranges: LogRanges) -> None:
        self.name = name
        self._policy = policy
        self._clock = clock
        self._rpc = rpc
        self._logs = LogReader(rpc, name, ranges)

    async def head(self) -> Head:
        blocks: list[Call] = [
            ("eth_chainId", []),
            ("eth_getBlockByNumber", [self._policy.finality, False]),
            ("eth_getBlockByNumber", ["latest", False]),
        ]
        chain_id, final, newest = await self._rpc.read(blocks)
        self._check_chain(chain_id)
        head = Head(*_block(newest, "latest"), *_block(final, self._policy.finality))
        if head.final_number > head.number or head.final_time > head.time:
            raise malformed(f"its {self._policy.finality} block is newer than its latest")
        self._check_age(head)
        return head

    async def _read_here(self, call: Call) -> object:
        """Make a call that must succeed, on the chain that policy names."""
        chain_id, value = await self._rpc.read([("eth_chainId", []), call])
        self._check_chain(chain_id)
        return value

    def _check_chain(self, chain_id: object) -> None:
        if (served := quantity(chain_id, "eth_chainId")) != self._policy.chain_id:
            raise ChainUnreachable(
                f"the RPC server serves chain {served}, policy names {self._policy.chain_id}",
                advice="correct network.rpc_url or network.chain_id in the policy file",
            )

    def _check_age(self, head: Head) -> None:
        """Raise ChainUnreachable for a head that is too old, or in the future, which would prove live payments dead."""
        age = self._clock.now().timestamp() - head.time
        oldest, furthest = self._policy.max_head_age, self._policy.max_head_ahead
        if oldest and age > oldest:
            raise ChainUnreachable(
                f"the RPC server's newest block is {age:.0f} s old, network.max_head_age is {oldest}"
            )
        if furthest and -age > furthest:
            raise ChainUnreachable(
                f"the RPC server's newest block is {-age:.0f} s ahead of this machine's clock",
                advice="set this machine's clock; if it is right, do not trust that server (network.rpc_url)",
            )

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        head = await self.head()
        used = await flags.used(self._rpc, asset, payer, list(nonces), head.number)
        starts = {name: start for name, start in nonces.items() if used[name]}
        marks = await self._logs.marks(asset, payer, starts, head.number, self._policy.lookback_blocks)
        proofs = await read_proofs(self._rpc, asset, payer, marks, head.final_number) if marks else {}
        used_final = await flags.used_at_final(self._rpc, asset, payer, nonces, head, used, proofs)
        return {name: _view(head, used[name], used_final[name], proofs.get(name)) for name in nonces}

    async def balance(self, asset: Asset, owner: str) -> int:
        data = _BALANCE_OF + address_word(owner).hex()
        return int(word(await self._read_here(eth_call(asset.address, data, "latest"))), 16)

    async def token(self, asset: Asset) -> TokenData:
        await self.head()
        calls = [eth_call(asset.address, data, "latest") for data in (DECIMALS, NAME, VERSION, DOMAIN_SEPARATOR)]
        try:
            decimals, *others = await self._rpc.call(calls)
        except RpcCallFailed:
            # It lacks one of the functions, maybe.
            [decimals] = await self._rpc.read(calls[:1])
            others = [await self._optional(call) for call in calls[1:]]
        name, version, separator = others
        number = int(word(decimals), 16)
        if number > _MOST_DECIMALS:
            raise malformed(f"decimals() returned {number}")
        domain = None if separator in (None, "0x") else bytes.fromhex(word(separator))
        return TokenData(number, _text(name), _text(version), domain)

    async def _optional(self, call: Call) -> object:
        try:
            [value] = await self._rpc.call([call])
        except RpcCallFailed:
            return None
        return value

    async def code(self, address: str) -> bytes:
        code = await self._read_here(("eth_getCode", [address, "latest"]))
        if not isinstance(code, str) or not _BYTES.fullmatch(code):
            raise malformed(f"eth_getCode is {shown(code)}")
        return bytes.fromhex(code[2:])

    async def ask(self, contract: str, data: str) -> str | None:
        try:
            [answer] = await self._rpc.attempt([eth_call(contract, data, "latest")])
        except RpcCallFailed:
            return None
        return answer if isinstance(answer, str) and answer != "0x" else None

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        logs = await self._logs.of_payer(asset, payer, from_block, to_block)
        return [_transfer(moved, nonce) for moved, nonce in transfers_of(logs)]

    async def block_times(self, blocks: Collection[int]) -> Mapping[int, int]:
        wanted = sorted(blocks)
        calls: list[Call] = [("eth_getBlockByNumber", [hex(number), False]) for number in wanted]
        found = dict(_block(value, "requested") for value in await self._rpc.read(calls))
        if set(found) != set(wanted):
            raise malformed("it returned other blocks than were requested")
        return found

    async def account(self, asset: Asset, owner: str, from_block: int, to_block: int) -> Account | None:
        """As the protocol says. A server that keeps the state of few blocks refuses older ones, each in words of its
        own ("missing trie node", "state not available"), so that any lasting refusal means that there is no balance."""
        data = _BALANCE_OF + address_word(owner).hex()
        blocks = [to_block, from_block - 1] if from_block else [to_block]
        try:
            values = await self._rpc.attempt([eth_call(asset.address, data, hex(block)) for block in blocks])
        except RpcCallFailed:
            return None
        if None in values:
            return None
        # Before its deployment a token returns "0x".
        after, before = [0 if value == "0x" else int(word(value), 16) for value in [*values, "0x"][:2]]
        return Account(before, after, await self._logs.received(asset, owner, from_block, to_block))

    def watch(self, searching: Progress) -> None:
        """Have each search for payments in the server's logs tell how far it is."""
        self._logs.searching = searching


def _view(head: Head, used: bool, used_final: bool, proof: Proof | None) -> ChainView:
    state = NonceState.UNUSED
    if used:
        state = NonceState.CANCELLED if proof is NonceState.CANCELLED else NonceState.USED
    blocks = head.number, head.time, head.final_number, head.final_time
    settlement = proof if isinstance(proof, Settlement) else None
    return ChainView(*blocks, state, state if used_final else NonceState.UNUSED, settlement)


def _block(value: object, tag: str) -> tuple[int, int]:
    if not isinstance(value, dict):
        raise malformed(f"it has no {tag} block")
    return quantity(value.get("number"), f"the {tag} block's number"), quantity(value.get("timestamp"), "a timestamp")


def _transfer(log: Log, nonce: str | None) -> TransferOut:
    return TransferOut(
        tx_hash=log.tx_hash,
        log_index=log.index,
        block_number=log.block_number,
        block_hash=log.block_hash,
        pay_to=checksum("0x" + log.topics[2][-40:]),
        value=log.value,
        nonce=nonce,
    )


def _text(value: object) -> str | None:
    """An ABI string; None for anything else, such as the bytes32 of old tokens. DOMAIN_SEPARATOR then decides."""
    if not isinstance(value, str) or not value.startswith("0x"):
        return None
    try:
        raw = bytes.fromhex(value[2:])
        length = int.from_bytes(raw[_WORD : 2 * _WORD], "big")
        if int.from_bytes(raw[:_WORD], "big") != _WORD or not 0 < length <= min(_LONGEST_TEXT, len(raw) - 2 * _WORD):
            return None
        return raw[2 * _WORD : 2 * _WORD + length].decode("utf-8")
    except ValueError:
        return None
