"""Read the token's flag for nonces: EIP-3009 `authorizationState`, true for used and for cancelled ones."""

from __future__ import annotations

from collections.abc import Mapping

from payer.chain import multicall
from payer.chain.chain import Head
from payer.chain.rpc import RpcCallFailed, RpcClient, eth_call, malformed, refused, word
from payer.chain.settlements import Proof
from payer.values.chain_view import Settlement
from payer.values.money import Asset
from payer.wire.addresses import address_word

_AUTHORIZATION_STATE = "0xe94a0102"
_WORTH_A_MULTICALL = 4


class NonceReader:
    """Reads flags at a given block, several per call where the chain has Multicall3."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def used_at_final(
        self,
        asset: Asset,
        payer: str,
        nonces: Mapping[str, int | None],
        head: Head,
        used: Mapping[str, bool],
        proofs: Mapping[str, Proof],
    ) -> dict[str, bool]:
        """The flag of each nonce at the final block.

        Read only where it can matter: a signed nonce that is unused may be dead, and a used one without proof of
        payment may be cancelled. Raises ChainUnreachable when it is used there and unused at the head.
        """
        if head.final_number == head.number:
            return dict(used)
        flags = dict.fromkeys(nonces, False)
        flags |= {name: proof.final for name, proof in proofs.items() if isinstance(proof, Settlement)}
        signed = {name for name, start in nonces.items() if start is not None}
        paid = {name for name, proof in proofs.items() if isinstance(proof, Settlement)}
        asked = [name for name in nonces if (used[name] or name in signed) and name not in paid]
        try:
            flags |= await self._flags(asset, payer, asked, head.final_number)
        except RpcCallFailed as error:
            if not error.refusal.gone:
                raise refused(error) from None
            # That state is pruned. A flag is never taken back, so unused at the head means unused there, too; of a
            # cancelled nonce it is not known whether that is final.
            return flags
        if wrong := [name for name in asked if flags[name] and not used[name]]:
            raise malformed(f"nonce {wrong[0]} is used in an older block and unused in a newer one")
        return flags

    async def used(self, asset: Asset, payer: str, nonces: list[str], block: int) -> dict[str, bool]:
        """The token's `authorizationState` of each nonce at a block. Raises ChainUnreachable."""
        try:
            return await self._flags(asset, payer, nonces, block)
        except RpcCallFailed as error:
            raise refused(error) from None

    async def _flags(self, asset: Asset, payer: str, nonces: list[str], block: int) -> dict[str, bool]:
        """The flags, in as few round trips as possible. Raises RpcCallFailed, ChainUnreachable."""
        if not nonces:
            return {}
        prefix = _AUTHORIZATION_STATE + address_word(payer).hex()
        calls = [prefix + nonce[2:] for nonce in nonces]
        words = await self._by_multicall(asset, calls, block) if len(nonces) >= _WORTH_A_MULTICALL else None
        if words is None:
            words = await self._rpc.attempt([eth_call(asset.address, data, hex(block)) for data in calls])
        return {nonce: _flag(value) for nonce, value in zip(nonces, words, strict=True)}

    async def _by_multicall(self, asset: Asset, calls: list[str], block: int) -> list[str] | None:
        """The word that the token returns to each call, None where the chain has no Multicall3."""
        groups = [calls[at : at + multicall.CALLS] for at in range(0, len(calls), multicall.CALLS)]
        encoded = [multicall.encode(asset.address, [bytes.fromhex(d[2:]) for d in group]) for group in groups]
        try:
            answers = await self._rpc.call([eth_call(multicall.MULTICALL3, data, hex(block)) for data in encoded])
        except RpcCallFailed:
            return None
        if not all(isinstance(answer, str) and len(answer) > len("0x") for answer in answers):
            return None
        pairs = zip(answers, groups, strict=True)
        return [value for answer, group in pairs for value in multicall.decode(answer, len(group))]


def _flag(value: object) -> bool:
    number = int(word(value), 16)
    if number > 1:
        raise malformed(f"authorizationState returned {number}")
    return number == 1
