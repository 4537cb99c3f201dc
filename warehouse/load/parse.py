"""A delivered body, read: what the cache takes in, made without holding it open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sources import registry
from sources.parse import rows
from sources.parse.envelope import Envelope

if TYPE_CHECKING:
    from payer.values.purchase import Delivery
    from sources.coverage.answered import Answered
    from sources.coverage.cover import Coverage
    from sources.model import Dataset
    from sources.parse.rows import Parsed

RAW_LIMIT = 2000
"""Characters of an unreadable body that are shown in quarantine; the ledger keeps all of it."""

UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Page:
    """One delivery as rows. `answered` is None when its context says nothing of use; `alone` is what it covers where
    it is the whole answer to what was asked, and its cells are left out then. `excerpt` is the body's beginning where
    the whole of it could not be read. `lost`: a person has given it up, so it covers nothing."""

    seq: int
    purchase_id: str
    name: str
    observed_at: datetime
    envelope: str
    message: str
    excerpt: str
    parsed: Parsed | None = None
    answered: Answered | None = None
    alone: Coverage | None = None
    lost: bool = False

    @property
    def dataset(self) -> Dataset | None:
        """None when nothing of its name is declared."""
        return declared(self.name)

    @property
    def order(self) -> tuple[datetime, int]:
        return self.observed_at, self.seq

    @property
    def rows_in(self) -> int:
        """Rows the body held, read or not."""
        return self.parsed.rows_in_body if self.parsed else 0

    @property
    def rows_quarantined(self) -> int:
        return len(self.parsed.quarantined) if self.parsed else 0

    @property
    def quarantine(self) -> Iterator[tuple[str, str]]:
        """Reason and raw text of everything that could not be read."""
        if self.envelope != Envelope.OK:
            yield f"{self.envelope} body: {self.message}", self.excerpt
        elif self.answered is None:
            yield "the purchase doesn't say what it asked for: its rows are kept, and cover nothing", ""
        for row in self.parsed.quarantined if self.parsed else ():
            yield row.reason, row.raw


@cache
def declared(name: str) -> Dataset | None:
    """The dataset of that name, if there is one."""
    try:
        return registry.dataset(name)
    except LookupError:
        return None


def read(deliveries: Iterable[Delivery]) -> Iterator[Page]:
    """Every delivery as a page, whatever is in it."""
    for delivery in deliveries:
        yield read_one(delivery)


def read_one(delivery: Delivery) -> Page:
    """Never raises for what a body or its context holds: what can't be read is for quarantine (I4)."""
    dataset = declared(delivery.dataset)
    if dataset is None:
        return _page(delivery, "unknown", f"no dataset {delivery.dataset!r} is declared")
    context = delivery.context
    if delivery.damaged:
        parsed = _nothing(dataset, "the ledger's copy of it is damaged: rebuild once the ledger is restored")
        return _page(
            delivery, parsed.envelope, parsed.message, parsed=parsed, answered=_answered(dataset, delivery, parsed)
        )
    try:
        parsed = rows.parse(
            dataset, context, delivery.received_at, delivery.status, delivery.content_type, delivery.body
        )
    except UNREADABLE as error:
        parsed = _nothing(dataset, f"the parser failed: {type(error).__name__}: {error}"[:200])
    answered = None if delivery.lost else _answered(dataset, delivery, parsed)
    alone = _alone(dataset, answered) if answered else None
    if answered and alone:
        answered = replace(answered, cells=())
    return _page(delivery, parsed.envelope, parsed.message, parsed=parsed, answered=answered, alone=alone)


def _page(delivery: Delivery, envelope: str, message: str, **known: Any) -> Page:
    excerpt = "" if envelope == Envelope.OK else delivery.body[: 4 * RAW_LIMIT].decode(errors="replace")[:RAW_LIMIT]
    return Page(
        seq=delivery.seq,
        purchase_id=delivery.purchase_id,
        name=delivery.dataset,
        observed_at=delivery.received_at,
        envelope=envelope,
        message=message,
        excerpt=excerpt,
        lost=delivery.lost,
        **known,
    )


def _nothing(dataset: Dataset, message: str) -> Parsed:
    return rows.Parsed(rows.empty(dataset), (), rows.Drift(), 0, Envelope.MALFORMED.value, message)


def _answered(dataset: Dataset, delivery: Delivery, parsed: Parsed) -> Answered | None:
    from sources.coverage.answered import answered

    try:
        return answered(dataset, delivery.context, delivery.received_at, parsed)
    except UNREADABLE:
        return None


def _alone(dataset: Dataset, answer: Answered) -> Coverage | None:
    """What the page covers by itself, if it is all there is. Of a listing that grows at its top only the cache can
    say: it depends on what was held before."""
    from sources.coverage.cover import cover

    if answer.page != answer.group.first_page or (dataset.paging and dataset.paging.newest_first):
        return None
    found = cover(dataset, [answer])
    return found if found.complete else None
