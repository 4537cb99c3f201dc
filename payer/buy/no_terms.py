"""The errors of answers that name no price, by status (RFC 9110): who has to correct what."""

from __future__ import annotations

from payer.http.outcome import Answer
from payer.values.errors import NotOffered, PayerError, QuoteUnacceptable, SellerUnreachable
from payer.values.request import Order
from payer.wire.seller_word import body_word, is_html

_WAIT = (408, 425, 429)
_ACCESS = (401, 403, 407, 451)
_ABSENT = (404, 405, 410)
_PARAMETERS = (400, 406, 411, 413, 414, 415, 422, 431)


def no_terms(order: Order, answer: Answer) -> PayerError:
    """Return the error of an answer to an unpaid request that is no 402."""
    where, status = order.request.endpoint, answer.status
    said = f": {word}" if (word := body_word(answer.body)) else ""
    if is_html(answer.body) and status < 400:
        return SellerUnreachable(
            f"{order.seller} answered {status} at {where} with a web page instead of an API's answer{said}",
            advice="log in to this network (a captive portal?), or check the seller's base_url, then run again",
        )
    if 200 <= status < 300:
        return QuoteUnacceptable(
            f"{where} answered without asking for money, though it is declared as paid",
            advice="declare the dataset as free, or ask the seller",
        )
    if status in _WAIT or status >= 500:
        return SellerUnreachable(f"{order.seller} answered {status} at {where}{said}")
    what, advice = _refusal(order.seller, status)
    kind = QuoteUnacceptable if status < 400 else NotOffered
    return kind(f"{where} answered {status} instead of terms, {what}{said}", advice=advice)


def _refusal(seller: str, status: int) -> tuple[str, str]:
    """The meaning of a refusal's status, and what to do about it."""
    base = f"sellers.{seller}.base_url in the policy file"
    if status in _ACCESS:
        return (
            "so it wants another login or blocks this machine",
            f"x402 needs no account: check {base} and the headers of the seller's declaration; then ask the seller, "
            "who may block a country or an address",
        )
    if status in _ABSENT:
        return "so nothing is sold there", f"check {base}, and the dataset's path with the seller's documentation"
    if status in _PARAMETERS:
        return "so it can't use the request", "check the dataset's parameters with the seller's documentation"
    if 300 <= status < 400:
        return "a redirect, which is not followed", f"write the seller's own address: {base}"
    return "which x402 doesn't know", f"check {base}; if it is right, ask the seller what this answer means"
