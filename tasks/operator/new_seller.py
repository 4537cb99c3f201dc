"""Prepare for a seller that policy does not name yet: probe its URL, and read a sample of its answers. Free.

A probe is one unpaid request. Nothing is signed, pinned or kept, and no key is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from payer.http.exchange import Answer, Unanswered
from payer.http.transport import HttpTransport
from payer.policy.judge import judge
from payer.policy.rules import Policy, SellerPolicy, is_https_or_loopback, origin
from payer.values.errors import QuoteUnacceptable, SellerUnreachable
from payer.values.money import Amount
from payer.values.request import Request
from payer.values.terms import Terms
from payer.wire.terms import Challenge, Offer, parse_402
from sources.declaration.write import sketch
from sources.model import Dataset
from sources.parse.rows import ParsedBody, parse
from tasks.operator.prices import SAMPLE_KEY
from tasks.request.model import BadRequest
from tasks.workspace.workspace import Workspace

SECONDS = 30.0
"""Seconds to wait for an answer."""


@dataclass(frozen=True, slots=True)
class UrlProbe:
    """A URL's terms. `terms` are what policy would pay, were the seller named; without them `problem` says why not."""

    request: Request
    name: str
    status: int
    challenge: Challenge | None
    terms: Terms | None
    problem: QuoteUnacceptable | None

    @property
    def exit_code(self) -> int:
        return self.problem.exit_code if self.problem else 0

    @property
    def price(self) -> str | None:
        return Amount(self.terms.amount, self.terms.asset).decimal if self.terms else None

    @property
    def words(self) -> str:
        if self.problem is not None:
            return self.problem.what
        if self.terms is None:
            return f"{self.request.endpoint} answers {self.status} without a payment: it is free"
        asks = f"{self.request.endpoint} asks {self.price} {self.terms.asset.symbol}, to {self.terms.pay_to}"
        return f"{asks} (x402 v{self.terms.version}): payable, once policy names the seller"

    @property
    def policy_text(self) -> str:
        """The lines to add to policy.toml; "" where nothing is payable."""
        if self.terms is None:
            return ""
        return (
            f'[sellers.{self.name}]\nbase_url = "{origin(self.request.url)}"\npay_with = "{self.terms.asset.symbol}"\n'
            f'pay_to = ["{self.terms.pay_to}"]\ndeclaration = "sellers/{self.name}.toml"\n'
        )

    @property
    def declaration_text(self) -> str:
        """A declaration to begin with: valid as it is, and to be completed by hand."""
        if self.terms is None:
            return ""
        parts, body = urlsplit(self.request.url), self.request.body.decode(errors="replace")
        headers = dict(self.request.headers)
        return sketch(self.name, self.request.method, parts.path, self.request.params, body, headers, self.price or "")

    def document(self) -> dict[str, Any]:
        terms = self.terms
        return {
            "url": self.request.full_url,
            "method": self.request.method,
            "status": self.status,
            "ok": self.problem is None,
            "price": self.price,
            "asset": terms.asset.symbol if terms else None,
            "network": terms.asset.network if terms else None,
            "pay_to": terms.pay_to if terms else None,
            "x402_version": self.challenge.version if self.challenge else None,
            "offers": [_offer(offer) for offer in self.challenge.offers] if self.challenge else [],
            "what": self.words,
            "fix": self.problem.fix if self.problem else "",
            "policy": self.policy_text,
            "declaration": self.declaration_text,
        }


def _offer(offer: Offer) -> dict[str, Any]:
    names = ("scheme", "network", "asset", "amount", "pay_to", "max_timeout")
    return {name: str(getattr(offer, name)) for name in names}


async def probe_url(
    ws: Workspace,
    url: str,
    *,
    name: str | None = None,
    method: str = "GET",
    body: str = "",
    headers: Sequence[str] = (),
) -> UrlProbe:
    """Ask a URL for its terms. Raises BadRequest for a URL that can't be asked, SellerUnreachable for no answer."""
    request = _request(url, method, body, headers)
    name = name or _name_of(url)
    answer = await _ask(ws, _with_seller(ws.policy, name, request.url, ""), request)
    challenge, terms, problem = None, None, None
    if not 200 <= answer.status < 300:
        try:
            challenge = parse_402(answer.status, answer.headers, answer.body, cut=answer.cut)
            terms = _payable(ws.policy, name, request, challenge)
        except QuoteUnacceptable as refused:
            problem = refused
    return UrlProbe(request, name, answer.status, challenge, terms, problem)


def _request(url: str, method: str, body: str, headers: Sequence[str]) -> Request:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and is_https_or_loopback(parts) and "@" not in parts.netloc
        usable = usable and url.isascii() and url.isprintable() and " " not in url and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadRequest(
            f"{url!r} is not an address that can be asked",
            advice="write an https address without user (http is for this machine only)",
        )
    fields = dict(_header(line) for line in headers)
    if body:
        fields.setdefault("content-type", "application/json")
    params = tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    return Request(
        method.upper(), f"{origin(url)}{parts.path or '/'}", params, body.encode(), tuple(sorted(fields.items()))
    )


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z0-9-]+", name.strip()) or not value.strip().isprintable():
        raise BadRequest(f"--header {line!r} is no header", advice='write it as "name: value"')
    return name.strip().lower(), value.strip()


def _name_of(url: str) -> str:
    """A name for the seller of a URL: the word before its top-level domain."""
    labels = [label for label in (urlsplit(url).hostname or "").split(".") if label]
    word = labels[-2] if len(labels) > 1 and not labels[-1].isdecimal() else "seller"
    return re.sub(r"[^a-z0-9]", "", word.lower()) or "seller"


def _with_seller(policy: Policy, name: str, url: str, symbol: str) -> Policy:
    """The policy as it would be with this seller, and no other."""
    seller = SellerPolicy(name=name, base_url=origin(url), pay_with=symbol or next(iter(policy.caps)))
    return replace(policy, sellers={name: replace(seller, body_bytes=1024 * 1024)})


async def _ask(ws: Workspace, policy: Policy, request: Request) -> Answer:
    async with HttpTransport(policy, clock=ws.clock) as transport:
        try:
            return await transport.send(request, dict(request.headers), timeout=SECONDS)
        except Unanswered as why:
            raise SellerUnreachable(f"{request.url} did not answer: {why.reason}") from None


def _payable(policy: Policy, name: str, request: Request, challenge: Challenge) -> Terms:
    """The terms that policy would pay in the first of its assets that any offer is payable in."""
    refusals = []
    for symbol in policy.caps:
        named = _with_seller(policy, name, request.url, symbol)
        try:
            return judge(named, name, challenge, request_url=request.full_url, pinned_pay_to=None)
        except QuoteUnacceptable as refused:
            refusals.append(refused)
    raise refusals[0]


_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A sample answer of a dataset, parsed."""

    dataset: Dataset
    parsed: ParsedBody

    @property
    def exit_code(self) -> int:
        """5 where a paid body like this would be a failed delivery."""
        return 0 if self.parsed.envelope == "ok" else 5

    @property
    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.parsed.table.to_pylist()
        return found

    @property
    def words(self) -> tuple[str, ...]:
        """Sentences on all that is not as declared."""
        drift, parsed = self.parsed.drift, self.parsed
        failed = (f"a failed delivery: {parsed.envelope}: {parsed.message}",) if self.exit_code else ()
        return (
            *failed,
            *(f"row {row.number} quarantined: {row.reason}" for row in parsed.quarantined),
            *(f"{name} is not declared: {kind}, kept in extras" for name, kind in drift.new.items()),
            *(f"{name} is declared, and in no row" for name in drift.vanished),
            *(f"{name}: {words}" for name, words in drift.changed.items()),
            *parsed.notes,
        )

    def document(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset.name,
            "table": self.dataset.table,
            "ok": not self.exit_code,
            "columns": {column.name: str(column.cast) for column in self.dataset.columns},
            "rows": [{name: _plain(value) for name, value in row.items()} for row in self.rows],
            "quarantined": [{"row": row.number, "reason": row.reason} for row in self.parsed.quarantined],
            "notes": list(self.words),
        }


def read_answer(ws: Workspace, dataset: Dataset, file: Path, keys: Sequence[str] = ()) -> ReadAnswer:
    """Read a file as an answer that came now to a request for `keys`. Raises BadRequest for an unreadable file."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise BadRequest(f"{file} can't be read: {error.strerror}", advice="name a file with one answer") from None
    if len(body) > _MOST_BYTES:
        raise BadRequest(f"{file} is longer than {_MOST_BYTES} bytes", advice="name a file with one answer")
    context = {"keys": list(keys) or [SAMPLE_KEY]}
    return ReadAnswer(dataset, parse(dataset, context, ws.clock.now(), 200, "application/json", body))


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
