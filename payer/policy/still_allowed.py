"""Judge a payment that was signed, or reserved, under an earlier policy by today's: may it be presented again? (I6)

A pure check of what EIP-3009 signs (token, payee, amount) and of where the header would go. Caps of a run, a day or a
month are no part of it: the payment counts in them already, whether it is presented or not.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from payer.policy.rules import Policy, origin
from payer.values.money import Amount
from payer.values.purchase import Purchase


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
    if not _is_below(purchase.order.request.url, seller.base_url):
        return f"sellers.{name}.base_url no longer holds {purchase.order.request.url}"
    return ""


def _is_below(url: str, base_url: str) -> bool:
    path, base = urlsplit(url).path, urlsplit(base_url).path.rstrip("/")
    return origin(url) == origin(base_url) and (path == base or path.startswith(base + "/"))
