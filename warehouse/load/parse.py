"""Read a delivered body into a page of rows, without holding the cache open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from payer.values.purchase import Delivery
from payer.values.request import CLIENT
from sources.coverage.cover import Coverage, cover
from sources.coverage.delivered_page import DeliveredPage, delivered_page
from sources.model import Dataset
from sources.parse import rows
from sources.parse.envelope import Envelope, stated_length
from sources.parse.rows import ParsedBody
from warehouse.coverage.page import Page, declared

EXCERPT_LENGTH = 2000
"""Characters of an unreadable body that quarantine shows; the ledger keeps all of it."""

UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


def read(deliveries: Iterable[Delivery]) -> Iterator[Page]:
    """Read each delivery into a page, whatever its body contains."""
    for delivery in deliveries:
        yield read_one(delivery)


def read_one(delivery: Delivery) -> Page:
    """Never raises for the content of a body or its context: what can't be read is for quarantine (I4)."""
    dataset = declared(delivery.dataset)
    if dataset is None and CLIENT in delivery.context:
        return _page(delivery, Envelope.OK, "")
    if dataset is None:
        return _page(delivery, "unknown", f"no dataset {delivery.dataset!r} is declared")
    if delivery.damaged:
        parsed = _no_rows(dataset, "the ledger's copy of it is damaged: rebuild once the ledger is restored")
        answer = _answered(dataset, delivery, parsed)
        return _page(delivery, parsed.envelope, parsed.message, parsed=parsed, answered=answer)
    parsed = _parsed(dataset, delivery)
    answer = None if delivery.lost else _answered(dataset, delivery, parsed)
    alone = _alone(dataset, answer) if answer else None
    if answer and alone:
        answer = replace(answer, cells=())
    return _page(delivery, parsed.envelope, parsed.message, parsed=parsed, answered=answer, alone=alone)


def _page(delivery: Delivery, envelope: str, message: str, **fields: Any) -> Page:
    readable = envelope == Envelope.OK
    excerpt = "" if readable else delivery.body[: 4 * EXCERPT_LENGTH].decode(errors="replace")[:EXCERPT_LENGTH]
    return Page(
        seq=delivery.seq,
        purchase_id=delivery.purchase_id,
        name=delivery.dataset,
        observed_at=delivery.received_at,
        envelope=envelope,
        message=message,
        excerpt=excerpt,
        lost=delivery.lost,
        **fields,
    )


def _parsed(dataset: Dataset, delivery: Delivery) -> ParsedBody:
    try:
        return rows.parse(
            dataset, delivery.context, delivery.received_at, delivery.status, delivery.content_type, delivery.body
        )
    except UNREADABLE as error:
        return _no_rows(dataset, f"the parser failed: {type(error).__name__}: {error}"[:200])


def _no_rows(dataset: Dataset, message: str) -> ParsedBody:
    return rows.ParsedBody(rows.empty_table(dataset), (), rows.SchemaDrift(), 0, Envelope.MALFORMED.value, message)


def _answered(dataset: Dataset, delivery: Delivery, parsed: ParsedBody) -> DeliveredPage | None:
    try:
        stated = stated_length(dataset, delivery.body)
        return delivered_page(dataset, delivery.context, delivery.received_at, parsed, stated=stated)
    except UNREADABLE:
        return None


def _alone(dataset: Dataset, answer: DeliveredPage) -> Coverage | None:
    """Return the page's own coverage, if it is the whole answer. Of a listing that grows at its top only the cache can
    say: that depends on what was held before."""
    if answer.page != answer.group.first_page or (dataset.paging and dataset.paging.newest_first):
        return None
    coverage = cover(dataset, [answer])
    return coverage if coverage.complete else None
