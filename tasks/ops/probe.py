"""Probe a seller: ask for terms with one unpaid request per endpoint, and judge them as a purchase would."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from payer.buy.quote import judge_answer, no_terms, send_unpaid
from payer.values.errors import ChainUnreachable, Misconfigured, PayerError, SellerUnreachable
from payer.values.money import Amount
from payer.values.terms import Terms
from payer.wire.strict_json import shown
from sources import registry
from sources.model import Dataset, Seller
from tasks.operator.prices import sample_order
from tasks.workspace.workspace import Workspace

PAYMENT_REQUIRED = 402


@dataclass(frozen=True, slots=True)
class Probe:
    """One endpoint's current terms, beside what is declared."""

    dataset: str
    endpoint: str
    status: int | None
    terms: Terms | None
    declared_max: str
    problem: PayerError | None = None

    @property
    def ok(self) -> bool:
        return self.problem is None

    @property
    def exit_code(self) -> int:
        return self.problem.exit_code if self.problem else 0

    @property
    def fix(self) -> str:
        return self.problem.fix if self.problem else ""

    @property
    def price(self) -> str | None:
        return Amount(self.terms.amount, self.terms.asset).decimal if self.terms else None

    @property
    def priced(self) -> str:
        """The price with its asset, for people."""
        return f"{self.price} {self.terms.asset.symbol}" if self.terms else "-"

    @property
    def verdict(self) -> str:
        """The terms in a few words, without the endpoint."""
        if self.problem is not None:
            return self.problem.what
        return f"inside policy (x402 v{self.terms.version})" if self.terms else "free, as declared"

    @property
    def words(self) -> str:
        if self.problem is not None:
            return self.problem.what
        if self.terms is None:
            return f"{self.endpoint} is free, as declared"
        asks = f"{self.endpoint} asks {self.price} {self.terms.asset.symbol} (x402 v{self.terms.version})"
        return f"{asks}, inside policy{self._named_otherwise}"

    @property
    def _named_otherwise(self) -> str:
        """A remark on a resource that is not the endpoint's URL."""
        url = self.endpoint.partition(" ")[2]
        if isinstance(self.resource, str) and self.resource.partition("?")[0] == url:
            return ""
        return f"; its resource is {'not named' if self.resource is None else shown(self.resource)}"

    @property
    def resource(self) -> Any:
        """The resource as the seller wrote it: shown, and judged only where policy says "exact"."""
        if self.terms is None:
            return None
        written = json.loads(self.terms.resource)
        return written["url"] if isinstance(written, dict) and "url" in written else written or None

    def document(self) -> dict[str, Any]:
        terms = self.terms
        return {
            "dataset": self.dataset,
            "endpoint": self.endpoint,
            "status": self.status,
            "ok": self.ok,
            "price": self.price,
            "declared_max": self.declared_max,
            "asset": terms.asset.symbol if terms else None,
            "pay_to": terms.pay_to if terms else None,
            "x402_version": terms.version if terms else None,
            "max_timeout": terms.max_timeout if terms else None,
            "resource": self.resource,
            "what": self.words,
            "fix": self.fix,
        }


async def probe(ws: Workspace, seller: str, *, limit: int | None = None) -> list[Probe]:
    """Probe each dataset that is sold for money (at most `limit`). Pays nothing, pins nothing.

    A seller that doesn't answer is asked once: its other endpoints are left out. Raises SellerUnreachable for one that
    answers nothing, and Misconfigured for one that policy doesn't name or nothing declares.
    """
    ws.asset(seller)
    paid = [d for d in declared_seller(seller).datasets if not d.free]
    await ws.in_thread(lambda: ws.ledger)
    found: list[Probe] = []
    for dataset in paid[:limit]:
        found.append(await _probe_one(ws, dataset))
        silent = found[-1].problem
        if found[-1].status is None and isinstance(silent, SellerUnreachable):
            if len(found) == 1 and len(paid[:limit]) > 1:
                raise silent
            break
    return found


def declared_seller(name: str) -> Seller:
    """Return the declaration of a seller that policy names. Raises NothingDeclared."""
    try:
        return registry.seller(name)
    except registry.UnknownName:
        raise NothingDeclared(
            f"nothing declares what {name} sells: only programs with the httpx transport buy from it",
            advice=f"name a file that does with sellers.{name}.declaration (docs/sources.md), or probe a URL",
        ) from None


class NothingDeclared(Misconfigured):
    """Raised for a seller that policy names and nothing declares: there is no endpoint of it to ask."""


async def _probe_one(ws: Workspace, dataset: Dataset) -> Probe:
    made = sample_order(ws, dataset)
    status, terms, problem = None, None, None
    try:
        answer = await send_unpaid(ws.payer.context, made)
        status = answer.status
        if status != PAYMENT_REQUIRED:
            raise no_terms(made, answer)
        terms = await ws.in_thread(judge_answer, ws.payer.context, made, answer, within_drift=False)
        with suppress(ChainUnreachable):  # which is doctor's to tell
            await ws.payer.context.check_token(terms.asset)
    except PayerError as error:
        problem = error
    return Probe(dataset.name, made.request.endpoint, status, terms, dataset.max_price, problem)
