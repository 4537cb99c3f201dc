"""Judging a seller's terms: deny by default, and say which field, what was offered and what is allowed (I6).

An offer is chosen only if it passes every rule; among several, the cheapest. If none does, the refusal is that of the
offer that came furthest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from payer.policy.rules import Caps, Policy, SellerPolicy, is_private_enough, origin
from payer.values.addresses import ZERO_ADDRESS, checksum
from payer.values.errors import QuoteUnacceptable
from payer.values.money import Asset, decimal_text
from payer.values.terms import Authorization, Terms
from payer.wire.strict_json import dump, shown
from payer.wire.x402 import Challenge, Offer, unacceptable

_APPROVALS = ("erc20ApprovalGasSponsoring", "eip2612GasSponsoring")


def judge(
    policy: Policy,
    seller: str,
    challenge: Challenge,
    *,
    request_url: str,
    pinned_pay_to: str | None,
    last_price: int | None = None,
    order_cap: int | None = None,
    payer: str | None = None,
) -> Terms:
    """The one offer that policy allows, as terms to sign. Raises QuoteUnacceptable naming the field.

    `pinned_pay_to` is the payee recorded for a first-use seller; with None, the offer's payee is the one to record.
    """
    bench = _Bench(policy, _seller(policy, seller), request_url, pinned_pay_to, last_price, order_cap, payer)
    bench.check_request()
    bench.check_extensions(challenge)
    passed: list[Terms] = []
    refusals: list[_Refused] = []
    for offer in challenge.offers:
        try:
            passed.append(bench.terms(challenge, offer))
        except _Refused as refusal:
            refusals.append(refusal)
    if passed:
        return min(passed, key=lambda terms: terms.amount)
    raise _explain(challenge, refusals, bench.asset)


class _Refused(Exception):
    """One offer failed rule number `step`."""

    def __init__(self, step: int, error: QuoteUnacceptable) -> None:
        super().__init__(error.what)
        self.step = step
        self.error = error


def _seller(policy: Policy, name: str) -> SellerPolicy:
    if name not in policy.sellers:
        raise unacceptable("seller", name, ", ".join(policy.sellers), f"add [sellers.{name}] to the policy file")
    return policy.sellers[name]


def _explain(challenge: Challenge, refusals: list[_Refused], asset: Asset) -> QuoteUnacceptable:
    furthest = max(refusals, key=lambda refusal: refusal.step)
    others = len(refusals) + len(challenge.unreadable) - 1
    if not others:
        return furthest.error
    listed = [str(refusal) for refusal in refusals if refusal is not furthest] + list(challenge.unreadable)
    refusal = QuoteUnacceptable(
        f"none of {others + 1} offers is payable in {asset.symbol} on {asset.network}. {furthest.error.what} | "
        + " | ".join(listed[:3]),
        advice=furthest.error.fix,
    )
    refusal.offered = furthest.error.offered
    return refusal


@dataclass(frozen=True, slots=True)
class _Bench:
    """What one challenge is measured against."""

    policy: Policy
    seller: SellerPolicy
    request_url: str
    pinned_pay_to: str | None
    last_price: int | None
    order_cap: int | None
    payer: str | None

    @property
    def asset(self) -> Asset:
        return self.policy.assets[self.seller.pay_with]

    @property
    def caps(self) -> Caps:
        return self.policy.caps[self.seller.pay_with]

    def check_request(self) -> None:
        """Our own request must stand inside the seller's base_url: nothing is paid elsewhere."""
        parts = urlsplit(self.request_url)
        if not is_private_enough(parts):
            raise unacceptable("url", shown(self.request_url), "https (http to this machine only)")
        base = urlsplit(self.seller.base_url)
        inside = parts.path == base.path or parts.path.startswith(base.path.rstrip("/") + "/")
        if origin(self.request_url) != self.seller.origin or not inside or "/../" in parts.path + "/":
            raise unacceptable("url", shown(self.request_url), f"what is under {self.seller.base_url}")

    def check_extensions(self, challenge: Challenge) -> None:
        for name in _APPROVALS:
            if name in challenge.extensions:
                raise unacceptable(f"extensions.{name}", "to have an approval signed", "no approval of any kind")

    def terms(self, challenge: Challenge, offer: Offer) -> Terms:
        for step, refusal in enumerate(self._rules(challenge, offer)):
            if refusal is not None:
                raise _Refused(step, refusal)
        return Terms(
            version=challenge.version,
            asset=self.asset,
            pay_to=checksum(offer.pay_to),
            amount=offer.amount,
            max_timeout=offer.max_timeout,
            accepted=offer.accepted,
            resource=challenge.resource if challenge.version == 2 else dump({"url": offer.resource}),
            extensions=dump(challenge.extensions),
        )

    def _rules(self, challenge: Challenge, offer: Offer) -> Iterator[QuoteUnacceptable | None]:
        """Every rule in order; the first refusal ends the offer. None is a rule passed."""
        yield self._network(challenge, offer)
        yield self._scheme(offer)
        yield self._asset(offer)
        yield self._method(offer)
        yield self._domain(offer)
        yield self._resource(challenge.resource_url if challenge.version == 2 else offer.resource)
        yield self._timeout(offer)
        yield self._payee(offer)
        yield self._price(offer)

    def _network(self, challenge: Challenge, offer: Offer) -> QuoteUnacceptable | None:
        ours = self.policy.network if challenge.version == 2 else self.policy.v1_name
        return None if offer.network == ours else unacceptable("network", shown(offer.network), ours)

    def _scheme(self, offer: Offer) -> QuoteUnacceptable | None:
        if offer.scheme == "exact":
            return None
        why = "'exact' alone: other schemes let the seller decide later what is taken"
        return unacceptable("scheme", shown(offer.scheme), why)

    def _asset(self, offer: Offer) -> QuoteUnacceptable | None:
        if offer.asset.lower() == self.asset.address.lower():
            return None
        advice = f"ask the seller for terms in {self.asset.symbol}, or change pay_with in the policy file"
        return unacceptable("asset", shown(offer.asset), f"{self.asset.address} ({self.asset.symbol})", advice)

    def _method(self, offer: Offer) -> QuoteUnacceptable | None:
        method, flow = offer.extra.get("assetTransferMethod"), offer.extra.get("paymentFlow")
        if method not in (None, "eip3009"):
            why = "'eip3009' alone: Permit2 and others need standing approvals and can't be proven used by nonce"
            return unacceptable("extra.assetTransferMethod", shown(method), why)
        if flow not in (None, "authorization"):
            return unacceptable(
                "extra.paymentFlow", shown(flow), "'authorization', which settles after the answer is made"
            )
        return None

    def _domain(self, offer: Offer) -> QuoteUnacceptable | None:
        names = (self.asset.eip712_name, *self.policy.also_named.get(self.asset.symbol, ()))
        name, version = offer.extra.get("name"), offer.extra.get("version")
        if name is not None and name not in names:
            advice = f"if the seller only labels the token so, list it in assets.{self.asset.symbol}.also_named"
            return unacceptable("extra.name", shown(name), repr(self.asset.eip712_name), advice)
        if version is not None and version != self.asset.eip712_version:
            return unacceptable("extra.version", shown(version), repr(self.asset.eip712_version))
        return None

    def _resource(self, url: str | None) -> QuoteUnacceptable | None:
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
        if self.seller.pay_to and payee not in self.seller.pay_to:
            advice = f"confirm the new address with the seller, then add it to sellers.{name}.pay_to"
            return unacceptable("payTo", payee, " or ".join(self.seller.pay_to), advice)
        if not self.seller.pay_to and self.pinned_pay_to is not None and payee != checksum(self.pinned_pay_to):
            advice = f"confirm the new address with the seller, then write it into sellers.{name}.pay_to"
            return unacceptable("payTo", payee, f"{checksum(self.pinned_pay_to)}, recorded at first use", advice)
        return None

    def _price(self, offer: Offer) -> QuoteUnacceptable | None:
        for limit, what, advice in self._ceilings():
            if offer.amount > limit:
                offered, allowed = self._money(offer.amount), f"at most {self._money(limit)} ({what})"
                refusal = unacceptable("amount", offered, allowed, advice)
                refusal.offered = offer.amount
                return refusal
        return None

    def _ceilings(self) -> Iterator[tuple[int, str, str]]:
        symbol = self.asset.symbol
        yield self.caps.per_call, f"caps.{symbol}.per_call", f"raise caps.{symbol}.per_call if that price is right"
        if self.order_cap is not None:
            yield self.order_cap, "the dataset's own ceiling", "raise the dataset's price cap if that price is right"
        if self.last_price is not None:
            drift = f"caps.{symbol}.price_drift over the last price, {self._money(self.last_price)}"
            yield (
                self.caps.highest_after(self.last_price),
                drift,
                f"raise caps.{symbol}.price_drift if the rise is right",
            )

    def _money(self, atoms: int) -> str:
        return f"{decimal_text(atoms, self.asset.decimals)} {self.asset.symbol}"


def draft(policy: Policy, terms: Terms, *, payer: str, nonce: str, now: datetime) -> Authorization:
    """The authorization to sign for terms now: valid from a little before now, for the shorter of both wishes."""
    seconds = int(now.timestamp())
    return Authorization(
        asset=terms.asset,
        payer=payer,
        pay_to=terms.pay_to,
        value=terms.amount,
        valid_after=seconds - policy.clock_skew_seconds,
        valid_before=seconds + min(terms.max_timeout, policy.validity_seconds),
        nonce=nonce,
    )
