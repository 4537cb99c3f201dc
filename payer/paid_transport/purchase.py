"""Buy one order, or find the body that is kept; and open what that needs from the environment."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from payer.buy.quote import terms_or_answer
from payer.buy.record import book_spooled
from payer.chain.reader import RpcChain
from payer.context import BodyCheck, PayerContext
from payer.http.exchange import Answer
from payer.http.transport import HttpTransport
from payer.ledger import Ledger
from payer.paid_transport.order import differs_in
from payer.payer import Payer
from payer.policy.clock_skew import ClockReadings, check_offset
from payer.policy.rules import Policy
from payer.spool import Spool
from payer.values.chain_view import NotSeen
from payer.values.clock import SystemClock, clock_offset
from payer.values.durable import make_private_folder
from payer.values.errors import ConflictingRequest, EndedVoid, LedgerDamaged, Misconfigured, PaidUndelivered, PayerError
from payer.values.identifiers import purchase_key
from payer.values.purchase import Data, Delivery, Money, Purchase
from payer.values.request import Order, Run
from payer.values.terms import Quote
from payer.wallet.load import load_signer, names_wallet, nonce_secret_path
from payer.wallet.nonce_secret import nonce_secret_for

PROVED_TOGETHER = 20
"""Purchases that are looked up on the chain in one batch."""
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class PaidBody:
    """A body that was paid for: now, or before (`kept`: the ledger's copy, and nothing was paid for it now)."""

    delivery: Delivery
    purchase: Purchase
    kept: bool


class RequestBuyer:
    """Buys single orders as one run of the payer, each at most once whatever happens."""

    def __init__(self, context: PayerContext, *, flow: str, ask_first: bool) -> None:
        self.context = context
        self._payer = Payer(context)
        self._ask_first = ask_first
        self._run = Run(uuid.uuid4().hex, flow, "httpx", context.clock.now())
        self._run_is_known = False
        self._unproved: dict[str, tuple[Purchase, int]] = {}

    async def get(self, order: Order) -> PaidBody | Answer:
        """Return the kept body, or buy it; the seller's answer itself where it asks for no money.

        Raises the payer's errors. One that is in doubt from an earlier call or process is carried on first.
        """
        existing = await asyncio.to_thread(self._find, order)
        if existing is not None:
            if header := differs_in(order, existing.order):
                raise ConflictingRequest(
                    f"{existing.title} was ordered with another {header} in this edition, and a request is bought once",
                    advice=f"send the {header} of the first request, or ask in another edition",
                )
            order, kept = existing.order, existing.data is Data.DELIVERED
            # One that may have been paid and has no body is carried on, and never paid a second time.
            if existing.money in (Money.EXPOSED, Money.SPENT) and not kept and not existing.loss_accepted:
                existing = await self._payer.buy(existing)
            if existing.data is Data.DELIVERED and not existing.loss_accepted:
                return await self._body(existing, kept=kept)
            if existing.burned and not existing.loss_accepted:
                raise _void(existing)
        terms = await terms_or_answer(self.context, order, ask_first=self._ask_first)
        return terms if isinstance(terms, Answer) else await self._buy(order, terms)

    async def _buy(self, order: Order, terms: Quote) -> PaidBody:
        if not self._run_is_known:
            await asyncio.to_thread(self.context.ledger.start_run, self._run)
            self._run_is_known = True
        run = replace(self._run, started_at=self.context.clock.now())
        approved = await self._payer.approve(run, [order], {order.request.endpoint: terms})
        [purchase] = approved.purchases
        try:
            bought = await self._payer.buy(purchase, approved.views.get(purchase.purchase_id, NotSeen.UNREAD))
        except PayerError:
            await asyncio.to_thread(self._release, purchase)
            raise
        if bought.data is not Data.DELIVERED:
            raise _void(bought)
        return await self._body(bought, kept=bought.run.run_id != self._run.run_id)

    @property
    def proof_is_due(self) -> bool:
        """True once so many bodies were bought that they are worth a look at the chain."""
        return len(self._unproved) >= PROVED_TOGETHER

    async def prove(self) -> None:
        """Look at the chain for what was bought, in one batch, and book what it proves.

        What is not final yet is looked for again; after some looks it is left to `tollbook recover`.
        """
        looked, self._unproved = self._unproved, {}
        if not looked:
            return
        found = {p.purchase_id: p for p in await self._payer.verify([purchase for purchase, _ in looked.values()])}
        for name, (purchase, looks) in looked.items():
            latest = found.get(name, purchase)
            if looks < _LOOKS and (latest.settling or latest.money is Money.EXPOSED):
                self._unproved[name] = (latest, looks + 1)

    async def _body(self, purchase: Purchase, *, kept: bool) -> PaidBody:
        """The body of a delivered purchase. Raises PaidUndelivered for one that can't be used."""
        delivery = await asyncio.to_thread(self.context.ledger.delivery, purchase.purchase_id)
        if delivery is None or delivery.damaged:
            raise LedgerDamaged(f"the ledger's copy of the body of {purchase.title} is damaged; it is not bought again")
        if purchase.failure:
            raise PaidUndelivered(f"{purchase.title} is paid, and its body can't be used: {purchase.failure}")
        if not kept:
            self._unproved[purchase.purchase_id] = (purchase, 1)
        return PaidBody(delivery, purchase, kept)

    def _find(self, order: Order) -> Purchase | None:
        """The order's purchase, with a body that waits in the spool booked first."""
        key = purchase_key(order.request, order.edition)
        existing = self.context.ledger.find(key)
        if existing is None or existing.data is Data.DELIVERED or self.context.spool is None:
            return existing
        return self.context.ledger.find(key) if book_spooled(self.context) else existing

    def _release(self, purchase: Purchase) -> None:
        """Free what was reserved for a purchase that was not begun."""
        latest = self.context.ledger.get(purchase.purchase_id)
        if latest is not None and latest.money is Money.RESERVED and latest.run.run_id == self._run.run_id:
            self._payer.release([latest])


def _void(purchase: Purchase) -> EndedVoid:
    if purchase.burned:
        return EndedVoid(
            f"{purchase.title}: its nonce was cancelled on chain, by somebody with this wallet's key",
            advice=f"find out who holds the key, then `tollbook accept-loss {purchase.purchase_id}`",
        )
    return EndedVoid(f"{purchase.title}: the payment ended void, never taken")


def open_context(policy: Policy, environ: Mapping[str, str], check_body: BodyCheck | None) -> PayerContext:
    """Open ledger, wallet, chain and transport as the environment names them. Raises Misconfigured.

    The ledger is that of TOLLBOOK_LEDGER_URL, or `state/ledger.db` in TOLLBOOK_HOME: the same as the command's.
    """
    given = environ.get("TOLLBOOK_HOME")
    url = environ.get("TOLLBOOK_LEDGER_URL")
    if not given:
        raise Misconfigured(
            "TOLLBOOK_HOME is not set", advice="set it to the directory that holds, or shall hold, the ledger"
        )
    home = Path(given).expanduser().absolute()
    try:
        make_private_folder(home / "state")
    except OSError as error:
        raise Misconfigured(
            f"TOLLBOOK_HOME can't be made: {error}", advice="name a directory that this user may write"
        ) from None
    check_offset(policy, offset := clock_offset(environ))
    clock, clocks = SystemClock(offset), ClockReadings()
    ledger = Ledger.open(url or f"sqlite:///{home / 'state' / 'ledger.db'}")

    def secret(address: str) -> bytes:
        return nonce_secret_for(ledger, address, nonce_secret_path(environ, home))[0]

    try:
        signer = load_signer(environ, secret) if names_wallet(environ) else None
    except BaseException:
        ledger.close()
        raise
    return PayerContext(
        ledger=ledger,
        policy=policy,
        chain=RpcChain(policy, clock, ledger, clocks=clocks),
        transport=HttpTransport(policy, clock, paces=ledger.workers.paces(home / "state" / "paces")),
        wallet=signer,
        clock=clock,
        spool=Spool(home / "state" / "spool"),
        check_body=check_body,
        clocks=clocks,
    )
