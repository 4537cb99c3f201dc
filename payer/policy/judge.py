"""Judge a seller's terms: deny by default, and name the field, what was offered and what is allowed (I6).

Only an offer that passes every rule is chosen; of several, the cheapest. If none does, the refusal is that of the
offer that passed the most rules. What is signed is token, payee, amount, window and nonce (EIP-3009); docs/policy.md
has the rules as a table.

A payment that was signed, or reserved, under an earlier policy is judged by today's before it is presented again: what
EIP-3009 signs (token, payee, amount), and where the header would go. Caps of a run, a day or a month are no part of
it: the payment counts in them already, whether it is presented or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from payer.policy.price_drift import PriceLimit
from payer.policy.rules import Caps, Policy, SellerPolicy, is_https_or_loopback, origin
from payer.values.errors import QuoteUnacceptable
from payer.values.money import Amount, Asset
from payer.values.purchase import Purchase
from payer.values.terms import Terms
from payer.wire.addresses import ZERO_ADDRESS, checksum
from payer.wire.strict_json import dump, shown
from payer.wire.terms import Challenge, Offer, unacceptable

_APPROVALS = ("erc20ApprovalGasSponsoring", "eip2612GasSponsoring")

FailedRule = tuple[int, QuoteUnacceptable]
"""The number of the rule that an offer fails, in the order they are checked, and the error."""


def judge(
    policy: Policy,
    seller: str,
    challenge: Challenge,
    *,
    request_url: str,
    pinned_pay_to: str | None,
    price_limit: PriceLimit | None = None,
    order_cap: int | None = None,
    payer: str | None = None,
) -> Terms:
    """Choose the offer that policy allows, as terms to sign. Raises QuoteUnacceptable naming the field.

    `pinned_pay_to` is the payee recorded for a first-use seller; with None, the offer's payee is the one to record.
    `price_limit` is how far the price may have risen, `order_cap` the dataset's ceiling in atomic units.
    """
    if seller not in policy.sellers:
        raise unacceptable("seller", seller, ", ".join(policy.sellers), f"add [sellers.{seller}] to the policy file")
    rules = OfferRules(policy, policy.sellers[seller], request_url, pinned_pay_to, price_limit, order_cap, payer)
    rules.check_request()
    rules.check_extensions(challenge)
    passed: list[Terms] = []
    refusals: list[FailedRule] = []
    for offer in challenge.offers:
        if (refusal := rules.refusal(challenge, offer)) is None:
            passed.append(rules.terms(challenge, offer))
        else:
            refusals.append(refusal)
    if passed:
        return min(passed, key=lambda terms: terms.amount)
    raise _explain(challenge, refusals, rules.asset)


def _explain(challenge: Challenge, refusals: list[FailedRule], asset: Asset) -> QuoteUnacceptable:
    """One error for several refused offers: the one that came furthest first, then up to three others."""
    _, furthest = max(refusals, key=lambda refusal: refusal[0])
    others = len(refusals) + len(challenge.unreadable) - 1
    if not others:
        return furthest
    listed = [error.what for _, error in refusals if error is not furthest] + list(challenge.unreadable)
    refusal = QuoteUnacceptable(
        f"none of {others + 1} offers is payable in {asset.symbol} on {asset.network}. {furthest.what} | "
        + " | ".join(listed[:3]),
        advice=furthest.fix,
    )
    refusal.offered = furthest.offered
    return refusal


def no_longer_allowed(policy: Policy, purchase: Purchase, pinned_pay_to: str | None) -> str:
    """Say which key of today's policy forbids to present a purchase's payment again, or return "".

    `pinned_pay_to` is the payee recorded for a seller of first use. A free order has nothing to judge.
    """
    name = purchase.order.seller
    seller = policy.sellers.get(name)
    if seller is None:
        return f"policy no longer names [sellers.{name}]"
    signed = purchase.authorization
    payment = signed if signed is not None else purchase.terms
    if payment is None:
        return ""
    amount = signed.value if signed is not None else purchase.reserved
    payees = seller.pay_to or ((pinned_pay_to,) if pinned_pay_to is not None else (payment.pay_to,))
    if payment.asset not in policy.assets.values():
        return f"sellers.{name}.pay_with is {seller.pay_with} as policy declares it now, not what was signed"
    caps = policy.caps[payment.asset.symbol]
    if not seller.any_payee and payment.pay_to.lower() not in {payee.lower() for payee in payees}:
        return f"sellers.{name}.pay_to no longer allows {payment.pay_to}"
    if amount > caps.per_call:
        asset = payment.asset
        return f"caps.{asset.symbol}.per_call is {Amount(caps.per_call, asset)} now, and {Amount(amount, asset)} signed"
    if not seller.holds(purchase.order.request.url):
        return f"sellers.{name}.base_url no longer holds {purchase.order.request.url}"
    return ""


@dataclass(frozen=True, slots=True)
class OfferRules:
    """The rules for the offers of one 402, and what they compare with.

    `pinned_pay_to` is the payee recorded for a first-use seller, `price_limit` how far a price may rise, `order_cap`
    the dataset's own ceiling, `payer` the wallet; amounts in atomic units. None leaves a rule out.
    """

    policy: Policy
    seller: SellerPolicy
    request_url: str
    pinned_pay_to: str | None
    price_limit: PriceLimit | None
    order_cap: int | None
    payer: str | None

    @property
    def asset(self) -> Asset:
        """The asset that policy pays this seller in."""
        return self.policy.assets[self.seller.pay_with]

    @property
    def caps(self) -> Caps:
        return self.policy.caps[self.seller.pay_with]

    def check_request(self) -> None:
        """Raise QuoteUnacceptable unless our own request is below the seller's base_url."""
        parts = urlsplit(self.request_url)
        if not is_https_or_loopback(parts):
            raise unacceptable("url", shown(self.request_url), "https (http to this machine only)")
        if not self.seller.holds(self.request_url) or "/../" in parts.path + "/":
            raise unacceptable("url", shown(self.request_url), f"what is under {self.seller.base_url}")

    def check_extensions(self, challenge: Challenge) -> None:
        """Raise QuoteUnacceptable for an extension that would have an approval signed."""
        for name in _APPROVALS:
            if name in challenge.extensions:
                raise unacceptable(f"extensions.{name}", "to have an approval signed", "no approval of any kind")

    def refusal(self, challenge: Challenge, offer: Offer) -> FailedRule | None:
        """The first rule that the offer fails, None when it passes all."""
        refusals = enumerate(self._refusals(challenge, offer))
        return next(((rule, error) for rule, error in refusals if error is not None), None)

    def terms(self, challenge: Challenge, offer: Offer) -> Terms:
        """The offer as terms to sign."""
        return Terms(
            version=challenge.version,
            asset=self.asset,
            pay_to=checksum(offer.pay_to),
            amount=offer.amount,
            max_timeout=offer.max_timeout,
            accepted=offer.accepted,
            resource=challenge.resource if challenge.version == 2 else dump(json.loads(offer.accepted).get("resource")),
            extensions=dump(challenge.extensions),
        )

    def _refusals(self, challenge: Challenge, offer: Offer) -> Iterator[QuoteUnacceptable | None]:
        """Each rule's refusal in order, None where the offer passes."""
        yield self._network(challenge, offer)
        yield self._scheme(offer)
        yield self._asset(offer)
        yield self._transfer_method(offer)
        yield self._eip712_domain(offer)
        if self.seller.resource == "exact":
            yield self._resource(challenge.resource_url if challenge.version == 2 else offer.resource)
        yield self._timeout(offer)
        yield self._payee(offer)
        yield self._price(offer)

    def _network(self, challenge: Challenge, offer: Offer) -> QuoteUnacceptable | None:
        allowed = self.policy.network if challenge.version == 2 else self.policy.v1_name
        return None if offer.network == allowed else unacceptable("network", shown(offer.network), allowed)

    def _scheme(self, offer: Offer) -> QuoteUnacceptable | None:
        if offer.scheme == "exact":
            return None
        allowed = "'exact' alone: other schemes let the seller decide later what is taken"
        return unacceptable("scheme", shown(offer.scheme), allowed)

    def _asset(self, offer: Offer) -> QuoteUnacceptable | None:
        if offer.asset.lower() == self.asset.address.lower():
            return None
        advice = f"ask the seller for terms in {self.asset.symbol}, or change pay_with in the policy file"
        return unacceptable("asset", shown(offer.asset), f"{self.asset.address} ({self.asset.symbol})", advice)

    def _transfer_method(self, offer: Offer) -> QuoteUnacceptable | None:
        method, flow = offer.extra.get("assetTransferMethod"), offer.extra.get("paymentFlow")
        if method not in (None, "eip3009"):
            allowed = "'eip3009' alone: Permit2 and others need standing approvals and can't be proven used by nonce"
            return unacceptable("extra.assetTransferMethod", shown(method), allowed)
        if flow not in (None, "authorization"):
            return unacceptable(
                "extra.paymentFlow", shown(flow), "'authorization', which settles after the answer is made"
            )
        return None

    def _eip712_domain(self, offer: Offer) -> QuoteUnacceptable | None:
        """Refuse other EIP-712 names and versions than ours, which are what is signed."""
        names = (self.asset.eip712_name, *self.policy.also_named.get(self.asset.symbol, ()))
        name, version = offer.extra.get("name"), offer.extra.get("version")
        if name is not None and name not in names:
            advice = f"if the seller only labels the token so, list it in assets.{self.asset.symbol}.also_named"
            return unacceptable("extra.name", shown(name), repr(self.asset.eip712_name), advice)
        if version is not None and version != self.asset.eip712_version:
            return unacceptable("extra.version", shown(version), repr(self.asset.eip712_version))
        return None

    def _resource(self, url: str | None) -> QuoteUnacceptable | None:
        """Refuse terms for another URL than ours. EIP-3009 signs no URL, so policy has to ask for this rule."""
        allowed = origin(self.request_url) + urlsplit(self.request_url).path
        if url is None:
            return unacceptable("resource", "terms that name no resource", allowed)
        try:
            offered = (origin(url), urlsplit(url).path)
        except ValueError:
            return unacceptable("resource", shown(url), allowed)
        if offered[1] != urlsplit(self.request_url).path:
            return unacceptable("resource", shown(url), allowed)
        if offered[0] not in (self.seller.origin, *self.seller.resource_origins):
            key = f"sellers.{self.seller.name}.resource_origins"
            advice = f"if the seller stands behind a proxy, list its inner origin in {key}"
            return unacceptable("resource", shown(url), allowed, advice)
        return None

    def _timeout(self, offer: Offer) -> QuoteUnacceptable | None:
        highest = self.policy.max_timeout_seconds
        if 1 <= offer.max_timeout <= highest:
            return None
        return unacceptable("maxTimeoutSeconds", shown(offer.max_timeout), f"1 to {highest}")

    def _payee(self, offer: Offer) -> QuoteUnacceptable | None:
        name = self.seller.name
        try:
            payee = checksum(offer.pay_to)
        except ValueError as why:
            return unacceptable("payTo", f"{shown(offer.pay_to)} ({why})", "an address")
        if payee in (ZERO_ADDRESS, self.asset.address, self.payer):
            return unacceptable("payTo", payee, "a payee other than zero, the token and ourselves")
        if self.seller.any_payee:
            return None
        if self.seller.pay_to and payee not in self.seller.pay_to:
            advice = f"confirm the new address with the seller, then add it to sellers.{name}.pay_to"
            return unacceptable("payTo", payee, " or ".join(self.seller.pay_to), advice)
        if not self.seller.pay_to and self.pinned_pay_to is not None and payee != checksum(self.pinned_pay_to):
            advice = (
                f"confirm the new address with the seller, then write it into sellers.{name}.pay_to; if it uses "
                'another for each payment, pay_to = "any" (docs/policy.md says what that costs in safety)'
            )
            return unacceptable("payTo", payee, f"{checksum(self.pinned_pay_to)}, recorded at first use", advice)
        return None

    def _price(self, offer: Offer) -> QuoteUnacceptable | None:
        for limit, name, advice in self._ceilings():
            if offer.amount > limit:
                offered, allowed = self._money(offer.amount), f"at most {self._money(limit)} ({name})"
                refusal = unacceptable("amount", offered, allowed, advice)
                refusal.offered = offer.amount
                return refusal
        return None

    def _ceilings(self) -> Iterator[tuple[int, str, str]]:
        """Each limit of a price in atomic units, its name, and what an operator can do about it."""
        symbol = self.asset.symbol
        yield self.caps.per_call, f"caps.{symbol}.per_call", f"raise caps.{symbol}.per_call if that price is right"
        if self.order_cap is not None:
            yield self.order_cap, "the dataset's own ceiling", "raise the dataset's price cap if that price is right"
        limit = self.price_limit
        if limit is not None:
            yield limit.highest, f"{limit.key} over {limit.text}", limit.advice

    def _money(self, amount: int) -> str:
        return str(Amount(amount, self.asset))
