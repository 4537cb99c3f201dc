"""Reading and rewriting what a 402 asks for and what a receipt claims, in either x402 version."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from tollbook.sandbox.asgi import Reply

_TERMS = "payment-required"
Edit = Callable[[dict[str, Any]], dict[str, Any]]


def edited(challenge: Reply, change: Edit) -> Reply:
    """A 402 with every `accepts` entry changed; an answer without terms stays as it is."""
    header = challenge.header(_TERMS)
    if header is not None:
        terms = json.loads(base64.b64decode(header))
        terms["accepts"] = [change(dict(entry)) for entry in terms["accepts"]]
        return Reply(challenge.status, challenge.with_header(_TERMS, _encoded(terms)), challenge.body)
    terms = json.loads(challenge.body or b"{}")
    if "accepts" not in terms:
        return challenge
    terms["accepts"] = [change(dict(entry)) for entry in terms["accepts"]]
    return Reply(challenge.status, challenge.headers, json.dumps(terms).encode())


def terms_broken(challenge: Reply, text: str) -> Reply:
    if challenge.header(_TERMS) is not None:
        return Reply(challenge.status, challenge.with_header(_TERMS, text), challenge.body)
    return Reply(challenge.status, challenge.headers, text.encode())


def terms_elsewhere(challenge: Reply) -> Reply:
    """Version 2's terms in the body only, version 1's in the header only."""
    header = challenge.header(_TERMS)
    if header is not None:
        return Reply(challenge.status, challenge.without(_TERMS), base64.b64decode(header))
    text = base64.b64encode(challenge.body).decode()
    return Reply(challenge.status, challenge.with_header(_TERMS, text), b"{}")


def receipt_name(answer: Reply) -> str:
    """The receipt header of the version that an answer, or the 402 before it, speaks."""
    if answer.header(_TERMS) is not None or answer.header("payment-response") is not None:
        return "payment-response"
    return "x-payment-response"


def receipt_header(claim: dict[str, Any]) -> str:
    return _encoded(claim)


def _encoded(value: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()
