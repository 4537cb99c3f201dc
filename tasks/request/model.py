"""A request for data: datasets, keys and slots, as of one moment; and the range of days that costs are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from payer.values.errors import Misconfigured


class BadRequest(Misconfigured):
    """Raised for a request of something that doesn't exist or can't be bought, before the seller is asked."""

    repeat = "yes, once the command is corrected"


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """Cells of one dataset: `keys` × the slots from `first` to `last`, both inclusive."""

    dataset: str
    keys: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a person named. None: the policy's watch lists, or all keys that the cache knows.

    `notes` say what was repaired to look them up.
    """

    tokens: tuple[str, ...] | None = None
    others: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataRequest:
    """Everything one run wants of one seller. `at` is the scheduled time: editions come from it, never from now().

    `again`: an operator asks for all of it once more, held or not, in an edition of its own.
    """

    flow: str
    reason: str
    seller: str
    at: datetime
    datasets: tuple[DatasetRequest, ...]
    notes: tuple[str, ...] = ()
    again: bool = False

    @property
    def whole(self) -> bool:
        """True when its bill is bought entirely or not at all, because a person approves the range and its price."""
        return self.reason == "backfill"


@dataclass(frozen=True, slots=True)
class Period:
    """The first and last UTC day, both inclusive; None where the range is open."""

    first: date | None = None
    last: date | None = None

    def holds(self, when: datetime) -> bool:
        day = when.astimezone(UTC).date()
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    def is_after(self, when: datetime) -> bool:
        return self.first is not None and when.astimezone(UTC).date() < self.first


def parse_period(month: str | None, first: str | None, last: str | None) -> Period:
    """Read --month, or --from and --to. Raises BadRequest naming the wrong one and its format."""
    if month is not None:
        start = _day("--month", f"{month}-01", "2026-11")
        return Period(start, (start + timedelta(days=31)).replace(day=1) - timedelta(days=1))
    start_day = None if first is None else _day("--from", first, "2026-11-01")
    end_day = None if last is None else _day("--to", last, "2026-11-30")
    if start_day and end_day and end_day < start_day:
        raise BadRequest(f"--to {last} is before --from {first}", advice="swap them")
    return Period(start_day, end_day)


def _day(option: str, text: str, example: str) -> date:
    try:
        if len(text) != len("2026-11-01"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        shown = text.removesuffix("-01") if option == "--month" else text
        raise BadRequest(
            f"{option} {shown}: there is no such {'month' if option == '--month' else 'day'}", advice=f"write {example}"
        ) from None
