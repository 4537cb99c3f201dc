"""Judge a delivered body as loading will: the payer's `BodyCheck`, over the datasets' declarations."""

from __future__ import annotations

from payer.values.purchase import Delivery
from sources.parse.envelope import Envelope
from warehouse.load.parse import read_one


def check_body(delivery: Delivery) -> str:
    """Return why no row of a body can be used, "" for one with rows or an honest empty answer. Pure."""
    page = read_one(delivery)
    return "" if page.envelope == Envelope.OK else f"{page.envelope}: {page.message}"
