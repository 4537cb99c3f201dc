"""Judge a seller's terms: deny by default, and name the field, what was offered and what is allowed (I6).

Only an offer that passes every rule is chosen; of several, the cheapest. If none does, the refusal is that of the
offer that passed the most rules.

A payment that was signed, or reserved, under an earlier policy is judged by today's before it is presented again: what
EIP-3009 signs (token, payee, amount), and where the header would go. Caps of a run, a day or a month are no part of
it: the payment counts in them already, whether it is presented or not.
"""

from __future__ import annotations

from datetime import datetime

from payer.policy.offer_rules import OfferRules, RuleFailed
from payer.policy.price_drift import PriceLimit
from payer.policy.rules import Policy
from payer.values.errors import QuoteUnacceptable
from payer.values.money import Amount, Asset
from payer.values.purchase import Purchase
from payer.values.terms import Authorization, Terms
from payer.wire.terms import Challenge, unacceptable


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
    refusals: list[RuleFailed] = []
    for offer in challenge.offers:
        try:
            passed.append(rules.terms(challenge, offer))
        except RuleFailed as refusal:
            refusals.append(refusal)
    if passed:
        return min(passed, key=lambda terms: terms.amount)
    raise _explain(challenge, refusals, rules.asset)


def _explain(challenge: Challenge, refusals: list[RuleFailed], asset: Asset) -> QuoteUnacceptable:
    """One error for several refused offers: the one that came furthest first, then up to three others."""
    furthest = max(refusals, key=lambda refusal: refusal.rule)
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


def draft(policy: Policy, terms: Terms, *, payer: str, nonce: str, now: datetime) -> Authorization:
    """The EIP-3009 authorization to sign for terms now.

    Valid from `clock_skew_seconds` ago, for the shorter of the seller's and the policy's seconds; sellers accept a
    window shorter than their `maxTimeoutSeconds`.
    """
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
