"""One delivery, read: its rows, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sources import registry
from sources.coverage.cover import Coverage
from sources.coverage.delivered_page import DeliveredPage
from sources.model import Dataset
from sources.parse.envelope import Envelope
from sources.parse.rows import ParsedBody


@dataclass(frozen=True, slots=True)
class Page:
    """One delivery as rows.

    `answered` is None when its context says nothing of use. `alone` is what the page covers where it is the whole
    answer to its request; `answered.cells` is empty then. `excerpt` is the body's beginning where it could not be read
    to its end. `lost`: an operator has accepted its loss, so it covers nothing.
    """

    seq: int
    purchase_id: str
    name: str
    observed_at: datetime
    envelope: str
    message: str
    excerpt: str
    parsed: ParsedBody | None = None
    answered: DeliveredPage | None = None
    alone: Coverage | None = None
    lost: bool = False

    @property
    def dataset(self) -> Dataset | None:
        """None when no dataset of this name is declared."""
        return declared(self.name)

    @property
    def order(self) -> tuple[datetime, int]:
        return self.observed_at, self.seq

    @property
    def rows_in(self) -> int:
        return self.parsed.rows_in_body if self.parsed else 0

    @property
    def rows_quarantined(self) -> int:
        return len(self.parsed.quarantined) if self.parsed else 0

    @property
    def quarantine(self) -> Iterator[tuple[str, str]]:
        """Reason and raw text of everything that could not be read."""
        if self.envelope != Envelope.OK:
            yield f"{self.envelope} body: {self.message}", self.excerpt
        elif self.answered is None and self.dataset is not None:
            yield "the purchase doesn't say what it asked for: its rows are kept, and cover nothing", ""
        for row in self.parsed.quarantined if self.parsed else ():
            yield row.reason, row.raw


@registry.cached
def declared(name: str) -> Dataset | None:
    """The dataset of that name, if there is one."""
    try:
        return registry.dataset(name)
    except LookupError:
        return None
