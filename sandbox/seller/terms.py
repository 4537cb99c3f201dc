"""Read and rewrite the terms of a 402 and the claims of a receipt, in either x402 version."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from sandbox.asgi import Reply

_TERMS = "payment-required"
Edit = Callable[[dict[str, Any]], dict[str, Any]]


def edited(challenge: Reply, change: Edit) -> Reply:
    """A 402 with every `accepts` entry changed."""
    return _rewritten(challenge, lambda terms: terms | {"accepts": [change(dict(entry)) for entry in terms["accepts"]]})


def listed(challenge: Reply, first: Sequence[dict[str, Any]], last: Sequence[dict[str, Any]]) -> Reply:
    """A 402 with more offers around the honest one."""

    def change(terms: dict[str, Any]) -> dict[str, Any]:
        (entry, *_) = terms["accepts"]
        offers = [merged(entry, offer) for offer in first] + [entry] + [merged(entry, offer) for offer in last]
        return terms | {"accepts": offers}

    return _rewritten(challenge, change)


def with_resource(challenge: Reply, path: str) -> Reply:
    """A 402 whose terms name another path of the same origin."""

    def moved(url: str) -> str:
        return urlsplit(url)._replace(path=path, query="").geturl()

    def change(terms: dict[str, Any]) -> dict[str, Any]:
        if "resource" in terms:
            return terms | {"resource": terms["resource"] | {"url": moved(terms["resource"]["url"])}}
        return terms | {"accepts": [entry | {"resource": moved(entry["resource"])} for entry in terms["accepts"]]}

    return _rewritten(challenge, change)


def merged(entry: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """An `accepts` entry with fields replaced, those of `extra` one by one."""
    return {**entry, **more, "extra": {**entry.get("extra", {}), **more.get("extra", {})}}


def _rewritten(challenge: Reply, change: Edit) -> Reply:
    """A 402 with changed terms, in header or body; an answer without terms stays as it is."""
    header = challenge.header(_TERMS)
    if header is not None:
        terms = change(json.loads(base64.b64decode(header)))
        return Reply(challenge.status, challenge.with_header(_TERMS, _encoded(terms)), challenge.body)
    terms = json.loads(challenge.body or b"{}")
    if "accepts" not in terms:
        return challenge
    return Reply(challenge.status, challenge.headers, json.dumps(change(terms)).encode())


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
    """The name of the receipt header in the x402 version of an answer or 402."""
    if answer.header(_TERMS) is not None or answer.header("payment-response") is not None:
        return "payment-response"
    return "x-payment-response"


def receipt_header(claim: dict[str, Any]) -> str:
    return _encoded(claim)


def _encoded(value: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()
