"""What the chain knows of our authorizations, read at pinned blocks and believed only with its logs (I9).

`authorizationState` alone says "used or cancelled". Paid means: the token emitted AuthorizationUsed for our nonce in a
transaction that succeeded, with a Transfer from us beside it. A used nonce whose log is not found within reach is
reported as USED without a settlement: neither paid nor cancelled is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from payer.chain import multicall
from payer.chain.logs import Log, LogReader, transfers_of
from payer.chain.rpc import Call, Rpc, RpcError, malformed, quantity
from payer.chain.settlements import SettlementReader
from payer.policy.rules import Policy
from payer.values.addresses import address_word, checksum
from payer.values.chain_view import ChainView, NonceState, Settlement
from payer.values.clock import Clock
from payer.values.errors import ChainUnreachable
from payer.values.money import Asset
from payer.wire.strict_json import shown

_AUTHORIZATION_STATE = "0xe94a0102"
_BALANCE_OF = "0x70a08231"
_DOMAIN_SEPARATOR = "0x3644e515"
_WORD_DIGITS = 64
_WORTH_A_MULTICALL = 4


@dataclass(frozen=True, slots=True)
class Head:
    """Two blocks of one moment: the newest, and the newest that policy's finality tag vouches for. Times are unix."""

    number: int
    time: int
    final_number: int
    final_time: int


@dataclass(frozen=True, slots=True)
class TransferOut:
    """One Transfer out of the wallet. Without `nonce` no authorization stands beside it: a plain, foreign transfer."""

    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    to: str
    value: int
    nonce: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """An owner's balance before some blocks and after them, and everything that came in between."""

    before: int
    after: int
    received: int


class Chain(Protocol):
    """What the payer asks of a chain. Every method raises ChainUnreachable rather than guess."""

    async def head(self) -> Head: ...

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        """What is known of each nonce; the number is the block it was signed at, None if that is lost."""
        ...

    async def balance(self, asset: Asset, owner: str) -> int: ...

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        """Every transfer out of the payer in the blocks, both ends included, in the chain's order."""
        ...

    async def account(self, asset: Asset, owner: str, from_block: int, to_block: int) -> Account | None:
        """The owner's account over those blocks; None where the server no longer keeps such old balances."""
        ...


class RpcChain:
    """Chain over JSON-RPC. Reads are pinned to block numbers, so one look is one moment whatever the server does."""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._rpc = Rpc(policy.rpc_url, clock, batch=policy.rpc_batch)
        self._logs = LogReader(self._rpc)
        self._settlements = SettlementReader(self._rpc)

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

    def _check_chain(self, chain_id: object) -> None:
        if (served := quantity(chain_id, "eth_chainId")) != self._policy.chain_id:
            raise ChainUnreachable(
                f"the RPC server serves chain {served}, policy names {self._policy.chain_id}",
                advice="mend network.rpc_url or network.chain_id in the policy file",
            )

    def _check_age(self, head: Head) -> None:
        """A head from the future would prove live payments dead; an old one only delays, unless a person minds."""
        age = self._clock.now().timestamp() - head.time
        oldest, furthest = self._policy.max_head_age, self._policy.max_head_ahead
        if oldest and age > oldest:
            raise ChainUnreachable(
                f"the RPC server's newest block is {age:.0f} s old, network.max_head_age is {oldest}"
            )
        if furthest and -age > furthest:
            raise ChainUnreachable(
                f"the RPC server's newest block is {-age:.0f} s ahead of this machine's clock",
                advice="set this machine's clock; if it is right, do not trust network.rpc_url",
            )

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        head = await self.head()
        used = await self._used(asset, payer, list(nonces), head.number)
        wanted = {name: start for name, start in nonces.items() if used[name]}
        marks = await self._logs.marks(asset, payer, wanted, head.number, self._policy.lookback_blocks)
        proofs = await self._settlements.read(asset, payer, marks, head.final_number) if marks else {}
        used_final = await self._used_final(asset, payer, nonces, head, used, proofs)
        return {name: _view(head, used[name], used_final[name], proofs.get(name)) for name in nonces}

    async def _used_final(
        self,
        asset: Asset,
        payer: str,
        nonces: Mapping[str, int | None],
        head: Head,
        used: Mapping[str, bool],
        proofs: Mapping[str, Settlement | NonceState],
    ) -> dict[str, bool]:
        """The flags at the final block. Asked again only where something hangs on it: a nonce that was signed and is
        unused may be dead, one that is used and not shown to be paid may be cancelled."""
        if head.final_number == head.number:
            return dict(used)
        flags = dict.fromkeys(nonces, False)
        flags |= {name: proof.final for name, proof in proofs.items() if isinstance(proof, Settlement)}
        signed = {name for name, start in nonces.items() if start is not None}
        asked = [name for name in nonces if (used[name] or name in signed) and not _is_paid(proofs.get(name))]
        flags |= await self._used(asset, payer, asked, head.final_number)
        if wrong := [name for name in asked if flags[name] and not used[name]]:
            raise malformed(f"nonce {wrong[0]} is used in an older block and unused in a newer one")
        return flags

    async def _used(self, asset: Asset, payer: str, nonces: list[str], block: int) -> dict[str, bool]:
        """The token's flag for each nonce at a block, in as few round trips as batches allow."""
        if not nonces:
            return {}
        prefix = _AUTHORIZATION_STATE + address_word(payer).hex()
        datas = [prefix + nonce[2:] for nonce in nonces]
        words = await self._many_words(asset, datas, block) if len(nonces) >= _WORTH_A_MULTICALL else None
        if words is None:
            words = await self._rpc.read([_eth_call(asset.address, data, hex(block)) for data in datas])
        return {nonce: _flag(word) for nonce, word in zip(nonces, words, strict=True)}

    async def _many_words(self, asset: Asset, datas: list[str], block: int) -> list[str] | None:
        """What the token answers to each call at a block, or None where the chain has no Multicall3."""
        groups = [datas[at : at + multicall.CALLS] for at in range(0, len(datas), multicall.CALLS)]
        encoded = [multicall.encode(asset.address, [bytes.fromhex(d[2:]) for d in group]) for group in groups]
        try:
            answers = await self._rpc.call([_eth_call(multicall.MULTICALL3, data, hex(block)) for data in encoded])
        except RpcError:
            return None
        if not all(isinstance(answer, str) and len(answer) > len("0x") for answer in answers):
            return None
        pairs = zip(answers, groups, strict=True)
        return [word for answer, group in pairs for word in multicall.decode(answer, len(group))]

    async def balance(self, asset: Asset, owner: str) -> int:
        data = _BALANCE_OF + address_word(owner).hex()
        chain_id, word = await self._rpc.read([("eth_chainId", []), _eth_call(asset.address, data, "latest")])
        self._check_chain(chain_id)
        return int(_word(word), 16)

    async def domain_separator(self, asset: Asset) -> bytes:
        """The token's own EIP-712 domain, to compare with ours: a wrong name or version in the policy shows here."""
        chain_id, word = await self._rpc.read(
            [("eth_chainId", []), _eth_call(asset.address, _DOMAIN_SEPARATOR, "latest")]
        )
        self._check_chain(chain_id)
        return bytes.fromhex(_word(word))

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        logs = await self._logs.of_payer(asset, payer, from_block, to_block)
        return [_transfer(moved, nonce) for moved, nonce in transfers_of(logs)]

    async def account(self, asset: Asset, owner: str, from_block: int, to_block: int) -> Account | None:
        data = _BALANCE_OF + address_word(owner).hex()
        (after,) = await self._rpc.read([_eth_call(asset.address, data, hex(to_block))])
        try:
            words = await self._rpc.call([_eth_call(asset.address, data, hex(from_block - 1))] if from_block else [])
        except RpcError:
            return None
        # Before its deployment a token answers "0x".
        before = sum(int(_word(word), 16) for word in words if word != "0x")
        return Account(before, int(_word(after), 16), await self._logs.received(asset, owner, from_block, to_block))

    async def aclose(self) -> None:
        await self._rpc.aclose()


def _is_paid(proof: Settlement | NonceState | None) -> bool:
    return isinstance(proof, Settlement)


def _view(head: Head, used: bool, used_final: bool, proof: Settlement | NonceState | None) -> ChainView:
    state = NonceState.UNUSED
    if used:
        state = NonceState.CANCELLED if proof is NonceState.CANCELLED else NonceState.USED
    return ChainView(
        head_number=head.number,
        head_time=head.time,
        final_number=head.final_number,
        final_time=head.final_time,
        state=state,
        state_final=state if used_final else NonceState.UNUSED,
        settlement=proof if isinstance(proof, Settlement) else None,
    )


def _eth_call(to: str, data: str, block: str) -> Call:
    return ("eth_call", [{"to": to, "data": data}, block])


def _block(value: object, tag: str) -> tuple[int, int]:
    if not isinstance(value, dict):
        raise malformed(f"it has no {tag} block")
    return quantity(value.get("number"), f"the {tag} block's number"), quantity(value.get("timestamp"), "a timestamp")


def _word(value: object) -> str:
    """The 64 digits of one ABI word; "0x" is what an address without code answers."""
    if value == "0x":
        raise ChainUnreachable(
            "there is no token at the asset's address on this chain",
            advice="mend the asset's address, network.chain_id or network.rpc_url in the policy file",
        )
    if not isinstance(value, str) or len(value) != 2 + _WORD_DIGITS or not value.startswith("0x"):
        raise malformed(f"a call returned {shown(value)}")
    quantity(value, "a call's result")
    return value[2:]


def _flag(value: object) -> bool:
    number = int(_word(value), 16)
    if number > 1:
        raise malformed(f"authorizationState returned {number}")
    return number == 1


def _transfer(log: Log, nonce: str | None) -> TransferOut:
    return TransferOut(
        tx_hash=log.tx_hash,
        log_index=log.index,
        block_number=log.block_number,
        block_hash=log.block_hash,
        to=checksum("0x" + log.topics[2][-40:]),
        value=log.value,
        nonce=nonce,
    )
