"""Write the header that pays: `PAYMENT-SIGNATURE` (x402 v2 section 5.2) or `X-PAYMENT` (v1)."""

from __future__ import annotations

import base64
import json
import re

from payer.values.terms import Authorization, SecretStr, Terms
from payer.wire.strict_json import dump

PAYMENT_IDENTIFIER = "payment-identifier"
"""The extension's name in x402 v2."""

_PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)


def payment_header(
    terms: Terms, authorization: Authorization, signature: str, *, payment_id: str | None = None
) -> tuple[str, SecretStr]:
    """Name and value of the header that pays: byte-identical whenever the arguments are the same.

    v2 echoes the accepted offer and the extensions unchanged, as sellers compare them (section 5.1.2); the resource too
    where it has the standard's form, and no official seller compares it.
    `payment_id` is added only where the seller declared the payment-identifier extension. Raises ValueError when the
    authorization does not belong to the terms.
    """
    if (authorization.pay_to, authorization.value, authorization.asset) != (terms.pay_to, terms.amount, terms.asset):
        raise ValueError("the authorization was not made for these terms")
    if terms.version == 1:
        network = dump(json.loads(terms.accepted)["network"])
        before, after = f'{{"x402Version":1,"scheme":"exact","network":{network}', "}"
    else:
        extensions = _with_payment_id(terms.extensions, payment_id)
        resource = f',"resource":{terms.resource}' if _is_resource(terms.resource) else ""
        before = f'{{"x402Version":2{resource},"accepted":{terms.accepted}'
        after = "}" if extensions == "{}" else f',"extensions":{extensions}}}'
    payload = dump({"signature": signature, "authorization": authorization_fields(authorization)})
    name = "X-PAYMENT" if terms.version == 1 else "PAYMENT-SIGNATURE"
    document = f'{before},"payload":{payload}{after}'
    return name, SecretStr(base64.b64encode(document.encode("ascii")).decode("ascii"))


def authorization_fields(authorization: Authorization) -> dict[str, str]:
    """The authorization by x402's field names (v2 section 5.2.2); amounts and times are decimal strings."""
    return {
        "from": authorization.payer,
        "to": authorization.pay_to,
        "value": str(authorization.value),
        "validAfter": str(authorization.valid_after),
        "validBefore": str(authorization.valid_before),
        "nonce": authorization.nonce,
    }


def _is_resource(text: str) -> bool:
    """True for the JSON of an object with a URL (section 5.1); sellers' own readers refuse any other form."""
    resource = json.loads(text)
    return isinstance(resource, dict) and isinstance(resource.get("url"), str)


def _with_payment_id(extensions: str, payment_id: str | None) -> str:
    """The extensions with `payment-identifier.info.id` set, unchanged where the seller did not declare it."""
    if payment_id is None or PAYMENT_IDENTIFIER not in extensions:
        return extensions
    declared = json.loads(extensions)
    entry = declared.get(PAYMENT_IDENTIFIER)
    if not isinstance(entry, dict) or not isinstance(entry.get("info"), dict):
        return extensions
    if not _PAYMENT_ID.fullmatch(payment_id):
        raise ValueError("a payment identifier is 16 to 128 of A-Z, a-z, 0-9, _ and -")
    entry["info"]["id"] = payment_id
    return dump(declared)
