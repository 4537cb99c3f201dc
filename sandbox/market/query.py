"""What a request asks for: parameters read as strictly as the seller documents them, else 422."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sandbox.market.catalogue import EPOCH_DAY

MAX_LIMIT, DEFAULT_LIMIT, MAX_DAYS_APART = 100, 50, 30
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Unprocessable(Exception):
    """Raised for parameters that the seller answers with 422 (or 404, 400)."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Query:
    """Parameters by name, each given once; unknown names are let pass, as web services do."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]]) -> Query:
        values = dict(pairs)
        if len(values) != len(pairs):
            raise Unprocessable("Invalid parameter: given twice")
        return cls(values)

    def text(self, name: str) -> str | None:
        return self.values.get(name) or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Unprocessable(f"Invalid parameter: {name} is required")
        return value

    def words(self, name: str) -> list[str]:
        """A comma list; empty when absent."""
        return [word.strip() for word in (self.text(name) or "").split(",") if word.strip()]

    def integers(self, name: str) -> list[int]:
        try:
            return [int(word) for word in self.words(name)]
        except ValueError:
            raise Unprocessable(f"Invalid parameter: {name} must be whole numbers separated by commas") from None

    def number(self, name: str) -> float | None:
        value = self.text(name)
        try:
            return None if value is None else float(value)
        except ValueError:
            raise Unprocessable(f"Invalid parameter: {name} must be a number") from None

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise Unprocessable(f"Invalid parameter: {name} must be a whole number from {low} to {high}")
        return int(value)

    @property
    def limit(self) -> int:
        return self.integer("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)

    @property
    def page(self) -> int:
        return self.integer("page", 1, 1, 10**9)

    def days(self, today: int, earliest: int) -> range:
        """The asked days, both ends inclusive; without dates the last MAX_DAYS_APART. At most 30 days apart."""
        start, end = self._day("startDate"), self._day("endDate")
        last = today if end is None else end
        first = max(last - MAX_DAYS_APART, earliest) if start is None else start
        if first > last:
            raise Unprocessable("Invalid parameter: startDate is after endDate")
        if last - first > MAX_DAYS_APART:
            raise Unprocessable(f"Invalid parameter: dates may be at most {MAX_DAYS_APART} days apart")
        return range(max(first, earliest), min(last, today) + 1)

    def _day(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            if not _DATE.fullmatch(value):
                raise ValueError
            return date.fromisoformat(value).toordinal() - EPOCH_DAY
        except ValueError:
            raise Unprocessable(f"Invalid parameter: {name} must be a date such as 2025-01-31") from None
