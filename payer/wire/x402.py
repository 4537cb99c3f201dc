"""x402 v1 and v2 on the wire, read strictly and written canonically.

Nothing here judges: terms are only checked for being terms. What policy thinks of them is policy/judge.py's business.
v1 has its terms in the 402's body, v2 in the PAYMENT-REQUIRED header; found elsewhere they are refused.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from payer.values.addresses import is_hash
from payer.values.errors import QuoteUnacceptable
from payer.values.secret import SecretStr
from payer.values.terms import Authorization, Terms
from payer.wire import strict_json
from payer.wire.fields import integer, optional_object, optional_text, text_of
from payer.wire.strict_json import Malformed, dump, shown

HEADER_LIMIT = 16 * 1024
BODY_LIMIT = 64 * 1024
OFFER_LIMIT = 32
UINT256_MAX = 2**256 - 1
PAYMENT_IDENTIFIER = "payment-identifier"

_AMOUNT = re.compile(r"[1-9][0-9]{0,77}", re.ASCII)
_PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)
_ADVICE = "nothing was signed; show the seller's answer to its operator"


@dataclass(frozen=True, slots=True)
class Offer:
    """One `accepts` entry with every field of its right type, not judged. `accepted` is the entry's JSON."""

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
    """A 402's terms. `unreadable` says, entry by entry, why some are no offers; those can't be chosen."""

    version: int
    offers: tuple[Offer, ...]
    resource: str = "{}"
    resource_url: str | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a seller claims of a settlement. Evidence, never proof; `malformed` ones claim nothing."""

    success: bool
    transaction: str | None = None
    payer: str | None = None
    network: str | None = None
    reason: str | None = None
    malformed: bool = False


def unacceptable(field_name: str, offered: str, allowed: str, advice: str = _ADVICE) -> QuoteUnacceptable:
    """The refusal of one field: what was offered, what is allowed, what a person can do."""
    return QuoteUnacceptable(f"{field_name}: the seller offers {offered}; allowed is {allowed}", advice=advice)


def parse_402(status: int, headers: Mapping[str, str], body: bytes) -> Challenge:
    """The terms of a 402 answer. Raises QuoteUnacceptable for anything that is not strictly one of the two versions."""
    if status != 402:
        raise unacceptable("status", str(status), "402, which alone asks for a payment")
    try:
        text = _header(headers, "payment-required")
        return _parse_v1(body) if text is None else _parse_v2(text)
    except Malformed as why:
        reason = str(why)
    raise QuoteUnacceptable(f"the seller's terms can't be read: {reason}", advice=_ADVICE)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    found = [value for key, value in headers.items() if key.lower() == name]
    if len(found) > 1:
        raise Malformed(f"the header {name.upper()} stands twice")
    return found[0] if found else None


def _decode_header(name: str, text: str) -> Any:
    """The JSON in a base64 header: canonical, padded, standard alphabet, bounded."""
    if len(text) > HEADER_LIMIT:
        raise Malformed(f"the header {name} is longer than {HEADER_LIMIT} bytes")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"the header {name} is not base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise Malformed(f"the header {name} is not canonical base64")
    return _document(f"the header {name}", raw, HEADER_LIMIT)


def _document(where: str, raw: bytes, limit: int) -> dict[str, Any]:
    try:
        value = strict_json.parse(raw, limit=limit)
    except Malformed as why:
        raise Malformed(f"{where}: {why}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{where} is not a JSON object")
    return value


def _parse_v1(body: bytes) -> Challenge:
    document = _document("the 402's body (there is no PAYMENT-REQUIRED header)", body, BODY_LIMIT)
    version = document.get("x402Version")
    if type(version) is int and version == 2:
        raise Malformed("terms of x402 version 2 stand in the body; their place is the PAYMENT-REQUIRED header")
    _check_version(version, 1)
    offers, unreadable = _offers(document, 1)
    return Challenge(1, offers, error=optional_text(document, "error"), unreadable=unreadable)


def _parse_v2(text: str) -> Challenge:
    document = _decode_header("PAYMENT-REQUIRED", text)
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
        raise Malformed(f"{place} has {offered}; terms found there must say {expected}")


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


def payment_header(
    terms: Terms, authorization: Authorization, signature: str, *, payment_id: str | None = None
) -> tuple[str, SecretStr]:
    """Name and value of the header that pays: byte-identical whenever the arguments are the same.

    `payment_id` goes along only where the seller declared the payment-identifier extension (v2).
    Raises ValueError when the authorization does not belong to the terms.
    """
    if (authorization.pay_to, authorization.value, authorization.asset) != (terms.pay_to, terms.amount, terms.asset):
        raise ValueError("the authorization was not made for these terms")
    if terms.version == 1:
        network = dump(json.loads(terms.accepted)["network"])
        before, after = f'{{"x402Version":1,"scheme":"exact","network":{network}', "}"
    else:
        extensions = _with_payment_id(terms.extensions, payment_id)
        resource = "" if terms.resource == "{}" else f',"resource":{terms.resource}'
        before = f'{{"x402Version":2{resource},"accepted":{terms.accepted}'
        after = "}" if extensions == "{}" else f',"extensions":{extensions}}}'
    payload = dump({"signature": signature, "authorization": _authorization(authorization)})
    name = "X-PAYMENT" if terms.version == 1 else "PAYMENT-SIGNATURE"
    return name, SecretStr(_encode(f'{before},"payload":{payload}{after}'))


def _authorization(authorization: Authorization) -> dict[str, str]:
    return {
        "from": authorization.payer,
        "to": authorization.pay_to,
        "value": str(authorization.value),
        "validAfter": str(authorization.valid_after),
        "validBefore": str(authorization.valid_before),
        "nonce": authorization.nonce,
    }


def _with_payment_id(extensions: str, payment_id: str | None) -> str:
    if payment_id is None or PAYMENT_IDENTIFIER not in extensions:
        return extensions
    declared = json.loads(extensions)
    slot = declared.get(PAYMENT_IDENTIFIER)
    if not isinstance(slot, dict) or not isinstance(slot.get("info"), dict):
        return extensions
    if not _PAYMENT_ID.fullmatch(payment_id):
        raise ValueError("a payment identifier is 16 to 128 of A-Z, a-z, 0-9, _ and -")
    slot["info"]["id"] = payment_id
    return dump(declared)


def _encode(text: str) -> str:
    return base64.b64encode(text.encode("ascii")).decode("ascii")


def parse_receipt(headers: Mapping[str, str]) -> Receipt | None:
    """The receipt of an answer of any status, or None without one. Never raises: a broken one is `malformed`."""
    try:
        text = _header(headers, "payment-response")
        text = _header(headers, "x-payment-response") if text is None else text
        return None if text is None else _receipt(_decode_header("PAYMENT-RESPONSE", text))
    except Malformed as why:
        return Receipt(success=False, reason=str(why)[:200], malformed=True)


def _receipt(document: dict[str, Any]) -> Receipt:
    success = document.get("success")
    if type(success) is not bool:
        raise Malformed(f"success is {shown(success)}, not true or false")
    transaction = optional_text(document, "transaction") or None
    if transaction is not None and not is_hash(transaction):
        raise Malformed(f"transaction is {shown(transaction)}, not a hash")
    reason = optional_text(document, "errorReason")
    return Receipt(
        success=success,
        transaction=transaction.lower() if transaction else None,
        payer=optional_text(document, "payer"),
        network=optional_text(document, "network"),
        reason=shown(reason, 200).strip("'\"") if reason else None,
    )
