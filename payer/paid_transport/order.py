"""Turn an httpx request into an order. Raises Refused for what could not be bought exactly once. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

import httpx

from payer.http.transport import PAYMENT_HEADERS
from payer.policy.rules import Policy, SellerPolicy, is_https_or_loopback, origin
from payer.values.errors import Refused
from payer.values.request import CLIENT, Order, Request

EDITIONS = ("day", "hour", "once")
EDITION_HEADER = "tollbook-edition"
EXTENSION = "tollbook"
BODY_LIMIT = 1024 * 1024
"""Largest body of a request, in bytes: it is kept in the ledger with its purchase."""

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SECRET = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key"})
_PARTIAL = frozenset({"range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})
_LEFT_OUT = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"),
        *("accept-encoding", "cookie", "cache-control", "pragma", "expect", EDITION_HEADER),
    }
)
"""Headers of the connection, or of caches and sessions, which a purchase has none of."""
CHOOSING = ("accept", "accept-language", "content-type")
"""Headers by which a seller may choose another body for the same URL."""


def edition_name(wanted: str, now: datetime) -> str:
    """The edition that a request is bought in at a time (UTC): `day:2026-11-22`, `hour:2026-11-22T13`, `final`."""
    match wanted:
        case "day":
            return f"day:{now:%Y-%m-%d}"
        case "hour":
            return f"hour:{now:%Y-%m-%dT%H}"
        case "once":
            return "final"
    raise Refused(f"the edition {wanted[:40]!r} is unknown", advice=f"write one of {', '.join(EDITIONS)}")


def order_for(request: httpx.Request, policy: Policy, edition: str, now: datetime) -> Order:
    """Return the order of a request. `edition` is the transport's; the request's own header or extension goes first."""
    if request.method not in _METHODS:
        raise Refused(f"a {request.method} is not bought", advice=f"send one of {', '.join(_METHODS)}")
    seller, url = _seller(request.url, policy)
    wanted = request.headers.get(EDITION_HEADER) or _extension(request) or edition
    return Order(
        request=Request(request.method, url, _params(request.url), _body(request), tuple(_headers(request))),
        edition=edition_name(wanted, now),
        seller=seller.name,
        dataset=f"{request.method} {urlsplit(url).path or '/'}",
        context={CLIENT: "httpx"},
    )


def differs_in(order: Order, kept: Order) -> str:
    """The header that asks for another body than the kept order's did, "" if none does, or if a flow ordered it."""
    if CLIENT not in kept.context:
        return ""
    ours, theirs = dict(order.request.headers), dict(kept.request.headers)
    return next((name for name in CHOOSING if ours.get(name) != theirs.get(name)), "")


def _extension(request: httpx.Request) -> str:
    own = request.extensions.get(EXTENSION)
    return str(own.get("edition") or "") if isinstance(own, dict) else ""


def _seller(url: httpx.URL, policy: Policy) -> tuple[SellerPolicy, str]:
    """The seller that policy names for a URL, and the URL without its parameters."""
    if url.userinfo:
        raise Refused("the URL holds a user name or a password", advice="leave it out: x402 needs none")
    plain = str(url.copy_with(query=None, fragment=None))
    where = origin(plain)
    if not is_https_or_loopback(urlsplit(plain)):
        raise Refused(f"{where} is plain http, which is allowed to this machine only", advice="write https")
    seller = policy.seller_at(plain)
    if seller is None:
        raise Refused(
            f"policy names no seller at {where}",
            advice=f"add it to the policy file, or mount the transport for the sellers alone: "
            f'httpx.AsyncClient(mounts={{"{next(iter(policy.sellers.values())).origin if policy.sellers else where}": '
            f"PaidTransport(policy)}})",
        )
    return seller, plain


def _params(url: httpx.URL) -> tuple[tuple[str, str], ...]:
    """The query's parameters, sorted by name; repeated ones keep their order."""
    try:
        pairs = parse_qsl(url.query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refused("the URL's parameters are not UTF-8", advice="percent-encode them as UTF-8") from None
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


def _body(request: httpx.Request) -> bytes:
    """The body, which has to be in memory: a stream can't be sent again byte for byte after a crash."""
    if not isinstance(request.stream, httpx.ByteStream):
        raise Refused(
            "the body is a stream or a multipart form, which can't be sent again unchanged",
            advice="pass the whole body as content=bytes, json= or data=",
        )
    body = b"".join(request.stream)
    if len(body) > BODY_LIMIT:
        raise Refused(f"the body is longer than {BODY_LIMIT} bytes", advice="send less at once")
    return body


def _headers(request: httpx.Request) -> Iterator[tuple[str, str]]:
    """The headers to send and to keep with the purchase. They are no part of what makes two requests the same."""
    for name, value in request.headers.items():
        if name in _SECRET:
            raise Refused(
                f"the header {name} holds a secret, which the ledger would keep",
                advice="leave it out: what is paid by the call needs no account",
            )
        if name in PAYMENT_HEADERS:
            raise Refused(f"the header {name} is a payment of its own", advice="leave it out: this transport pays")
        if name in _PARTIAL:
            raise Refused(f"the header {name} asks for a part of a body", advice="leave it out: a body is bought whole")
        if name not in _LEFT_OUT:
            yield name, value
