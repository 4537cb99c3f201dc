"""Read the terms of a 402: x402 v2 in the PAYMENT-REQUIRED header (v2 section 5.1), v1 in the body.

Terms are checked for being well-formed, and not judged; policy does that. Terms found in the other version's place are
refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from payer.values.errors import QuoteUnacceptable
from payer.wire.fields import integer, optional_object, optional_text, text_of
from payer.wire.headers import decode_header, json_object, single_header
from payer.wire.strict_json import Malformed, dump, shown

BODY_LIMIT = 64 * 1024
OFFER_LIMIT = 32
UINT256_MAX = 2**256 - 1

_AMOUNT = re.compile(r"[1-9][0-9]{0,77}", re.ASCII)
_ADVICE = "nothing was signed; show the seller's answer to its operator"


@dataclass(frozen=True, slots=True)
class Offer:
    """One `accepts` entry whose fields have the right types. `amount` is in atomic units, `accepted` its JSON."""

    scheme: str
    network: str
    asset: str
    pay_to: str
    amount: int
    max_timeout: int
    extra: Mapping[str, Any]
    resource: str | None
    accepted: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """The terms of a 402. `unreadable` holds a reason for each entry that is no offer and can't be chosen."""

    version: int
    offers: tuple[Offer, ...]
    resource: str = "{}"
    resource_url: str | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    unreadable: tuple[str, ...] = ()


def unacceptable(field_name: str, offered: str, allowed: str, advice: str = _ADVICE) -> QuoteUnacceptable:
    """An error about one field: what the seller offers, what is allowed, what an operator can do."""
    return QuoteUnacceptable(f"{field_name}: the seller offers {offered}; allowed is {allowed}", advice=advice)


def parse_402(status: int, headers: Mapping[str, str], body: bytes) -> Challenge:
    """Parse the terms of a 402 answer. Raises QuoteUnacceptable unless they are strictly x402 v1 or v2."""
    if status != 402:
        raise unacceptable("status", str(status), "402, which alone asks for a payment")
    try:
        text = single_header(headers, "payment-required")
        return _parse_v1(body) if text is None else _parse_v2(text)
    except Malformed as why:
        reason = str(why)
    raise QuoteUnacceptable(f"the seller's terms can't be read: {reason}", advice=_ADVICE)


def _parse_v1(body: bytes) -> Challenge:
    document = json_object("the 402's body (there is no PAYMENT-REQUIRED header)", body, BODY_LIMIT)
    version = document.get("x402Version")
    if type(version) is int and version == 2:
        raise Malformed("the body holds terms of x402 version 2; they belong in the PAYMENT-REQUIRED header")
    _check_version(version, 1)
    offers, unreadable = _offers(document, 1)
    return Challenge(1, offers, error=optional_text(document, "error"), unreadable=unreadable)


def _parse_v2(text: str) -> Challenge:
    document = decode_header("PAYMENT-REQUIRED", text)
    _check_version(document.get("x402Version"), 2)
    offers, unreadable = _offers(document, 2)
    resource = optional_object(document, "resource")
    return Challenge(
        version=2,
        offers=offers,
        resource=dump(resource),
        resource_url=optional_text(resource, "url", "resource.url"),
        extensions=optional_object(document, "extensions"),
        error=optional_text(document, "error"),
        unreadable=unreadable,
    )


def _check_version(version: object, expected: int) -> None:
    if type(version) is not int or version != expected:
        offered = "no x402Version" if version is None else f"x402Version {shown(version)}"
        place = "the body" if expected == 1 else "the PAYMENT-REQUIRED header"
        raise Malformed(f"{place} has {offered}; terms there must have x402Version {expected}")


def _offers(document: dict[str, Any], version: int) -> tuple[tuple[Offer, ...], tuple[str, ...]]:
    entries = document.get("accepts")
    if not isinstance(entries, list) or not entries:
        raise Malformed("accepts must be a list with at least one offer")
    if len(entries) > OFFER_LIMIT:
        raise Malformed(f"accepts has more than {OFFER_LIMIT} offers")
    offers: list[Offer] = []
    unreadable: list[str] = []
    for index, entry in enumerate(entries):
        try:
            offers.append(_offer(entry, version))
        except Malformed as why:
            unreadable.append(f"accepts[{index}]: {why}")
    if not offers:
        raise Malformed("; ".join(unreadable[:4]))
    return tuple(offers), tuple(unreadable)


def _offer(entry: object, version: int) -> Offer:
    if not isinstance(entry, dict):
        raise Malformed("an offer must be an object")
    return Offer(
        scheme=text_of(entry, "scheme"),
        network=text_of(entry, "network"),
        asset=text_of(entry, "asset"),
        pay_to=text_of(entry, "payTo"),
        amount=_amount(entry, version),
        max_timeout=integer(entry, "maxTimeoutSeconds"),
        extra=optional_object(entry, "extra"),
        resource=optional_text(entry, "resource") if version == 1 else None,
        accepted=dump(entry),
    )


def _amount(entry: dict[str, Any], version: int) -> int:
    name, other = ("maxAmountRequired", "amount") if version == 1 else ("amount", "maxAmountRequired")
    text = entry.get(name)
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text) or int(text) > UINT256_MAX:
        raise Malformed(f"{name} is {shown(text)}; a price is a string of decimal digits from 1 up, such as '20000'")
    if other in entry and entry[other] != text:
        raise Malformed(f"{name} is {text} and {other} is {shown(entry[other])}: an offer has one price")
    return int(text)
