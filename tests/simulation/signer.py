"""A remote signer of the simulated world: signs differently each time, and sometimes late, wrongly or not at all."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from coincurve import PrivateKey
from coincurve._libsecp256k1 import ffi

from payer.values.errors import SignerRefused, SignerUnreachable
from payer.values.terms import Authorization, SecretStr
from payer.wallet.eip3009 import Wallet, check_signable, digest
from payer.wallet.sign import checked_signature
from tests.simulation.machine import PROCESS

if TYPE_CHECKING:
    from tests.simulation.world import World

DOWN, REFUSES, ANOTHER_KEY, LATE = 0.06, 0.08, 0.10, 0.12
"""Chances of each, added up."""
_OTHER_KEY = b"\x77" * 32


class SimSigner:
    """`Signer` with the world's key and, as a file would hold it, the same nonce secret as ever."""

    repeats = False

    def __init__(self, world: World, key: bytes, wallet: Wallet) -> None:
        self.address, self.nonce_secret = wallet.address, wallet.nonce_secret
        self._key = key
        self._dice = world.dice
        self._chance = Random(f"{world.scenario.seed}/signer")

    async def signature_of(self, authorization: Authorization) -> SecretStr:
        check_signable(authorization, self.address)
        process, throw = PROCESS.get(), 1.0 if self._dice.calm else self._chance.random()
        assert process is not None, "a process signs"
        process.touch("signer")
        await asyncio.sleep(200.0 if ANOTHER_KEY <= throw < LATE else 0.05)
        process.check()
        if throw < DOWN:
            raise SignerUnreachable("simulated: the signer is down")
        if throw < REFUSES:
            raise SignerRefused("simulated: the signer refuses")
        key = _OTHER_KEY if throw < ANOTHER_KEY else self._key
        extra = ffi.new("unsigned char[32]", self._chance.randbytes(32))
        raw = PrivateKey(key).sign_recoverable(digest(authorization), hasher=None, custom_nonce=(ffi.NULL, extra))
        return checked_signature(authorization, "0x" + raw[:64].hex() + format(27 + raw[64], "02x"))

    async def aclose(self) -> None:
        """Nothing is open."""
