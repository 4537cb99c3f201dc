"""A request for data: datasets, keys and slots, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payer.values.errors import Misconfigured


class BadRequest(Misconfigured):
    """Raised for a request of something that doesn't exist or can't be bought, before the seller is asked."""

    repeat = "yes, once the command is corrected"


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """Cells of one dataset: `keys` × the slots from `first` to `last`, both inclusive. What the datasets in `held_by`
    hold counts as held, too, as long as a day has not settled."""

    dataset: str
    keys: tuple[str, ...]
    first: int
    last: int
    held_by: tuple[str, ...] = ()


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
