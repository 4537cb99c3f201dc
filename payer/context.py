"""The dependencies of one process that buys. Every step of a purchase takes them as its first argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from payer.chain.chain import ChainReader, Progress, unwatched
from payer.http.exchange import Answer, answer_time
from payer.http.transport import Transport
from payer.ledger import Ledger
from payer.ledger.owners import new_owner
from payer.policy.clock_skew import ClockReadings, window_of
from payer.policy.judge import no_longer_allowed
from payer.policy.rules import AttemptLimits, Policy
from payer.spool import Spool
from payer.stop import StopRequest
from payer.values.clock import Clock
from payer.values.errors import Misconfigured
from payer.values.money import Asset
from payer.values.purchase import Delivery, Purchase
from payer.values.request import Request
from payer.wallet.checks import check_account, check_token
from payer.wallet.sign import Signer

BodyCheck = Callable[[Delivery], str]
"""Say why nothing in a delivered body can be used, "" if something can or if it is an honest empty answer. Pure, and
never raises for what a body contains."""


@dataclass(frozen=True, slots=True)
class PayerContext:
    """Ledger, policy, chain, transport, wallet and clock. Without a wallet it can only quote and read.

    `stop` is looked at before each call is begun. `owner` is the name under which this process leases purchases.
    Without a spool, a body is lost that arrives while the ledger can't be written. `check_body` judges each delivery;
    without it every 2xx counts as one that can be used. `clocks` collects how far our clock is from others',
    `checked_tokens` the assets that this process has compared with their contracts, `checked_accounts` those whose
    contracts take this wallet's signatures, `counted` from when and at what time it last counted what the wallet paid
    elsewhere. `progress` is called while blocks are read for that.
    """

    ledger: Ledger
    policy: Policy
    chain: ChainReader
    transport: Transport
    wallet: Signer | None
    clock: Clock
    owner: str = field(default_factory=new_owner)
    limits: AttemptLimits = field(default_factory=AttemptLimits)
    spool: Spool | None = None
    stop: StopRequest = field(default_factory=StopRequest)
    check_body: BodyCheck | None = None
    clocks: ClockReadings = field(default_factory=ClockReadings)
    checked_tokens: set[Asset] = field(default_factory=set)
    checked_accounts: set[Asset] = field(default_factory=set)
    counted: dict[Asset, tuple[datetime, datetime]] = field(default_factory=dict)
    progress: Progress = unwatched

    def signer(self) -> Signer:
        """Return the wallet's signer. Raises Misconfigured when there is none."""
        if self.wallet is None:
            raise Misconfigured(
                "there is no key to pay with",
                advice="set TOLLBOOK_PRIVATE_KEY, or TOLLBOOK_KEYSTORE with TOLLBOOK_KEYSTORE_PASSWORD_FILE, or "
                "TOLLBOOK_SIGNER_URL",
            )
        return self.wallet

    def holds_key_of(self, purchase: Purchase) -> bool:
        """True if the purchase was, or will be, paid from this wallet. Raises Misconfigured without a wallet."""
        return self.signer().address == purchase.payer

    def forbids(self, purchase: Purchase) -> str:
        """Say why today's policy forbids to present a purchase's payment again, or return ""."""
        pinned = self.ledger.payee(purchase.order.seller, purchase.asset) if self.pins_payee_of(purchase) else None
        return no_longer_allowed(self.policy, purchase, pinned)

    def pins_payee_of(self, purchase: Purchase) -> bool:
        """True if the ledger holds whom the purchase's seller may be paid through: policy names no payee."""
        seller = self.policy.sellers.get(purchase.order.seller)
        return seller is not None and not seller.pay_to

    def names_seller_of(self, purchase: Purchase) -> bool:
        """True if policy still names the purchase's seller. Otherwise the purchase is only looked up on chain."""
        return purchase.order.seller in self.policy.sellers

    def loss_limits(self) -> dict[str, int]:
        """Loss limit by seller, in atomic units; 0 stops at the first loss."""
        return {name: seller.loss_limit for name, seller in self.policy.sellers.items()}

    def answer_timeout(self, seller: str) -> float:
        """Seconds to wait for an answer; 30 and more, because sellers settle before they answer."""
        return float(self.policy.sellers[seller].timeout_seconds)

    async def ask(self, seller: str, request: Request, headers: Mapping[str, str]) -> Answer:
        """Send a request to a seller, and compare our clock with the answer's. Raises NotSent or NoAnswer."""
        answer = await self.transport.send(request, headers, timeout=self.answer_timeout(seller))
        self.clocks.saw(seller, self.clock.now().timestamp(), answer_time(answer.headers), answer.elapsed)
        return answer

    def clock_fault(self, seller: str, max_timeout: int, head_time: float | None = None) -> str:
        """Say why our clock is too far off to sign for a seller, or return ""."""
        head_off = None if head_time is None else self.clock.now().timestamp() - head_time
        return self.clocks.fault(seller, window_of(self.policy, max_timeout), head_off)

    async def check_token(self, asset: Asset) -> None:
        """Compare an asset with its contract, once per process. Raises Misconfigured or ChainUnreachable."""
        if asset not in self.checked_tokens:
            await check_token(self.chain, asset)
            self.checked_tokens.add(asset)

    async def check_account(self, asset: Asset) -> None:
        """See that an asset takes this wallet's signatures, once per process.

        Raises Misconfigured, ChainUnreachable, and what a remote signer raises.
        """
        if asset not in self.checked_accounts:
            await check_account(self.chain, self.signer(), asset)
            self.checked_accounts.add(asset)
