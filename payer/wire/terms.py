"""Read the terms of a 402: from the PAYMENT-REQUIRED header where there is one (x402 v2 section 5.1), else the body.

The header's document may be of version 2 or 1, as official clients take it; the body's must be of version 1. Terms are
checked for being well-formed, and not judged; policy does that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from payer.values.errors import QuoteUnacceptable
from payer.wire.strict_json import (
    Malformed,
    decode_header,
    dump,
    integer,
    json_object,
    optional_object,
    optional_text,
    parse,
    shown,
    single_header,
    text_of,
)

BODY_LIMIT = 1024 * 1024
OFFER_LIMIT = 128
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
    """The terms of a 402. `unreadable` holds a reason for each entry that is no offer and can't be chosen.

    `resource` is what a v2 seller wrote as such, as JSON: evidence, in whatever form it has. `resource_url` is its URL.
    """

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


def parse_402(status: int, headers: Mapping[str, str], body: bytes, *, cut: bool = False) -> Challenge:
    """Parse the terms of a 402 answer. Raises QuoteUnacceptable unless they are strictly x402 v1 or v2.

    `cut` says that the body was longer than what was read of it.
    """
    if status != 402:
        raise unacceptable("status", str(status), "402, which alone asks for a payment")
    try:
        text = single_header(headers, "payment-required")
        return _parse_body(body, cut=cut) if text is None else _parse_header(text, body)
    except Malformed as why:
        reason = str(why)
    raise QuoteUnacceptable(f"the seller's terms can't be read: {reason}", advice=_ADVICE)


def _parse_body(body: bytes, *, cut: bool) -> Challenge:
    where = "the 402's body (there is no PAYMENT-REQUIRED header)"
    if cut:
        raise Malformed(f"{where} is longer than {len(body)} bytes, and was cut there")
    document = json_object(where, body, BODY_LIMIT)
    version = document.get("x402Version")
    if type(version) is int and version == 2:
        raise Malformed("the body holds terms of x402 version 2; they belong in the PAYMENT-REQUIRED header")
    _check_version(version, (1,), "the body")
    return _version_1(document)


def _parse_header(text: str, body: bytes) -> Challenge:
    document = decode_header("PAYMENT-REQUIRED", text)
    version = document.get("x402Version")
    _check_version(version, (1, 2), "the PAYMENT-REQUIRED header")
    return _version_1(document) if version == 1 else _version_2(document, body)


def _version_1(document: dict[str, Any]) -> Challenge:
    offers, unreadable = _offers(document, 1)
    return Challenge(1, offers, error=optional_text(document, "error"), unreadable=unreadable)


def _version_2(document: dict[str, Any], body: bytes) -> Challenge:
    offers, unreadable = _offers(document, 2)
    resource = document.get("resource")
    resource = _resource_in_body(body) if resource is None else resource
    return Challenge(
        version=2,
        offers=offers,
        resource="{}" if resource is None else dump(resource),
        resource_url=_url_of(resource),
        extensions=optional_object(document, "extensions"),
        error=optional_text(document, "error"),
        unreadable=unreadable,
    )


def _resource_in_body(body: bytes) -> Any:
    """The resource that a v2 seller names in the body alone, which otherwise means nothing; None without one."""
    try:
        document = parse(body, limit=BODY_LIMIT)
    except Malformed:
        return None
    return document.get("resource") if isinstance(document, dict) else None


def _url_of(resource: object) -> str | None:
    """The URL of a resource, which sellers write as an object or as a bare text; None without one."""
    url = resource.get("url") if isinstance(resource, dict) else resource
    return url if isinstance(url, str) else None


def _check_version(version: object, expected: tuple[int, ...], place: str) -> None:
    if type(version) is not int or version not in expected:
        offered = "no x402Version" if version is None else f"x402Version {shown(version)}"
        wanted = " or ".join(str(one) for one in expected)
        raise Malformed(f"{place} has {offered}; terms there must have x402Version {wanted}")


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
        resource=_url_of(entry.get("resource")) if version == 1 else None,
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
