"""A seller with its facilitator, honest but for its faults: it verifies, settles and answers, or not in that order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from payer.http.exchange import Answer
from payer.values.request import Request
from payer.values.terms import Authorization
from payer.wire.addresses import checksum
from tests.simulation import terms
from tests.simulation.chain import BLOCK_SECONDS, SimChain, Tx
from tests.simulation.dice import Dice
from tests.simulation.terms import Asking, Presented

BASE_PRICE = 20_000
SETTLE_SECONDS = 6
FORGED = "0x" + "f0" * 32
RAISED_PRICE = 28_500
USUAL, RAISED = (BASE_PRICE, 90, 110), (RAISED_PRICE, 97, 104)
"""A price, and between which percentages of it prices move. The raised ones are beyond any drift from the usual ones,
and inside a call's cap."""


@dataclass(slots=True)
class Message:
    """One request on its way. Header names are in lower case."""

    request: Request
    headers: dict[str, str]
    payment: Presented | None


@dataclass(slots=True)
class Till:
    """The seller's memory of one nonce: its signatures, its transaction, and whether it says that nothing matched."""

    signatures: list[Authorization] = field(default_factory=list)
    tx: Tx | None = None
    late: bool = False
    nothing: bool = False


class Silence(Exception):
    """The seller never answers."""


class SimSeller:
    """Answers messages. The price of an endpoint moves within what policy calls no jump."""

    def __init__(
        self, chain: SimChain, dice: Dice, chance: Random, version: int, forgiving: bool, any_payee: bool = False
    ) -> None:
        self._chain = chain
        self._dice = dice
        self._chance = chance
        self._version = version
        self._serves_resends = forgiving
        self._tills: dict[str, Till] = {}
        self.price, self._range = BASE_PRICE, USUAL
        self.payees = {terms.PAYEE}
        self._names_each = any_payee
        self._timeout, self._tier = 300, ""
        self.delivered = 0

    async def serve(self, message: Message) -> Answer:
        """One answer. Raises Silence for none."""
        if self._dice.hit("busy_429"):
            return self._answer(429, {"retry-after": "2"}, b"{}")
        if message.request.url == terms.FREE_URL:
            return self._answer(200, {"content-type": "application/json"}, b'{"success":true,"data":[]}')
        if message.payment is None:
            return self._ask(message, pay_to=terms.THIEF if self._swaps() else self._payee())
        return await self._sell(message, message.payment)

    # ── terms ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def asking(self) -> Asking:
        return Asking(self._version, self.price, self._timeout, self._tier)

    def _swaps(self) -> bool:
        """Where any payee is paid, a thief's is as good as any."""
        return not self._names_each and self._dice.hit("swap")

    def _payee(self) -> str:
        """The seller's address, or a new one for each 402."""
        if self._names_each:
            self.payees.add(payee := checksum("0x" + f"{len(self.payees):04x}".rjust(40, "2")))
            return payee
        return terms.PAYEE

    def raise_price(self) -> None:
        """From now on it asks more than any drift allows."""
        self._range = RAISED
        self._new_price()

    def _ask(self, message: Message, *, price: int | None = None, pay_to: str = "") -> Answer:
        asking = replace(self.asking, amount=price or self.price, pay_to=pay_to or self._payee())
        headers, body = terms.asked(asking, message.request.url)
        return self._answer(402, headers, body)

    def _new_price(self) -> int:
        price, low, high = self._range
        self.price = price * self._chance.randint(low, high) // 100
        return self.price

    def _new_terms(self) -> None:
        """Anything but price and payee moves."""
        chance = self._dice.of("new_terms")
        self._timeout, self._tier = chance.choice((60, 120, 300, 600)), chance.choice(("", "a", "b"))

    # ── a payment ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _sell(self, message: Message, payment: Presented) -> Answer:
        till = self._tills.setdefault(payment.authorization.nonce, Till())
        if payment.authorization not in till.signatures:
            till.signatures.append(payment.authorization)
        if till.tx is not None and till.tx.block is not None and till.nothing:
            return self._nothing()
        if till.tx is not None and till.tx.block is not None:
            return self._again(message, payment, till.tx)
        if till.late and till.tx is not None and till.tx.mined is not None and not till.tx.mined.done():
            return self._failed("settlement_pending")
        if (refusal := self._refused(message, payment)) is not None:
            return refusal
        if self._swaps():
            return self._ask(message, pay_to=terms.THIEF)
        if self._dice.hit("spike"):
            return self._ask(message, price=self.price * 2)
        if self._dice.hit("new_price"):
            return self._ask(message, price=self._new_price())
        if self._dice.hit("new_terms"):
            self._new_terms()
            return self._ask(message)
        return await self._verified(message, payment, till)

    def _refused(self, message: Message, payment: Presented) -> Answer | None:
        """The facilitator's rules (exact, EVM)."""
        a, now = payment.authorization, self._chain.now()
        asking = replace(self.asking, pay_to=a.pay_to)
        if a.value != self.price or (payment.version > 1 and payment.accepted != terms.echo(asking)):
            return self._ask(message)
        reason = None
        if payment.signer != a.payer:
            reason = "invalid_exact_evm_payload_signature"
        elif a.pay_to not in self.payees:
            reason = "invalid_exact_evm_payload_recipient_mismatch"
        elif a.valid_after > now:
            reason = "invalid_exact_evm_payload_authorization_valid_after"
        elif a.valid_before < now + SETTLE_SECONDS:
            reason = "invalid_exact_evm_payload_authorization_valid_before"
        elif a.nonce in self._chain.used:
            reason = "invalid_exact_evm_nonce_already_used"
        return None if reason is None else self._failed(reason)

    async def _verified(self, message: Message, payment: Presented, till: Till) -> Answer:
        dice = self._dice
        if dice.hit("crash_500"):
            return self._answer(500, {}, b"oops")
        if dice.hit("nothing_404"):
            return self._nothing()
        if dice.hit("conflict"):
            return self._answer(dice.of("conflict").choice((400, 409, 412)), {}, b"{}")
        if dice.hit("forge"):
            return self._answer(402, terms.receipt(self._version, True, FORGED), b"{}")
        if dice.hit("gift"):
            return self._deliver(message, FORGED)
        if dice.hit("late"):
            self._settle_late(till)
            return self._failed("unexpected_settle_error")
        till.tx = self._chain.submit(self._chosen(till))
        if dice.hit("settle_hang"):
            raise Silence
        settled = await self._wait(till.tx)
        if not settled:
            return self._failed("settlement_pending" if till.tx.block is None and not till.tx.reverted else "reverted")
        if dice.hit("settle_402"):
            return self._failed("unexpected_settle_error", tx_hash="")
        if dice.hit("settle_503"):
            return self._answer(503, terms.receipt(self._version, True, till.tx.tx_hash), b"")
        if dice.hit("settle_404"):
            till.nothing = True
            return self._nothing()
        return self._deliver(message, till.tx.tx_hash)

    def _again(self, message: Message, payment: Presented, tx: Tx) -> Answer:
        """A payment that has settled already."""
        if self._serves_resends and payment.signer == tx.authorization.payer and not self._dice.hit("deny_resend"):
            return self._deliver(message, tx.tx_hash)
        return self._failed("invalid_exact_evm_nonce_already_used")

    # ── settling ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _chosen(self, till: Till) -> Authorization:
        """Of several signatures over one nonce the seller is free to settle any."""
        if len(till.signatures) > 1 and self._dice.hit("old_signature"):
            return self._dice.of("old_signature").choice(till.signatures)
        return till.signatures[-1]

    def _settle_late(self, till: Till) -> None:
        """Settle at random, or in the very last block that may hold it, or in the first that may not."""
        chosen, chance = self._chosen(till), self._dice.of("late")
        left = chosen.valid_before - self._chain.now()
        delay = chance.choice((left - 1, left, left + 1, chance.uniform(1, max(2.0, left)), chance.uniform(1, 20)))
        at = self._chain.now() - self._chain.epoch + max(0.0, delay - BLOCK_SECONDS)
        till.tx, till.late = self._chain.submit(chosen, not_before=at), True

    async def _wait(self, tx: Tx) -> bool:
        assert tx.mined is not None
        if not self._dice.may("slow_block"):
            return await tx.mined
        done, _ = await asyncio.wait([tx.mined], timeout=90)
        return bool(done) and tx.mined.result()

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _deliver(self, message: Message, tx_hash: str) -> Answer:
        self.delivered += 1
        headers = {"content-type": "application/json", **terms.receipt(self._version, True, tx_hash)}
        if self._dice.hit("spoil"):
            return self._answer(200, headers, b"%s %d" % (terms.SPOILT, self.delivered))
        return self._answer(200, headers, b'{"success":true,"data":[{"id":%d}]}' % self.delivered)

    def _nothing(self) -> Answer:
        return self._answer(404, {}, b'{"message":"no data"}')

    def _failed(self, reason: str, tx_hash: str = "") -> Answer:
        return self._answer(402, terms.receipt(self._version, False, tx_hash, reason), b"{}")

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        now = self._chain.now()
        off = self._dice.of("wrong_date").choice((-1, 1)) * 7200 if self._dice.hit("wrong_date") else 0
        return Answer(status, {**headers, "date": terms.date(int(now) + off)}, body, 0.2)
