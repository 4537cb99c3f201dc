"""What someone wants fresh or filled: datasets, keys and a range, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from payer.values.errors import Misconfigured


class BadRequest(Misconfigured):
    """Raised when what is asked for doesn't exist or can't be bought; nothing was asked of the seller."""

    repeat = "yes, once the command is mended"


@dataclass(frozen=True, slots=True)
class Want:
    """Cells of one dataset: `keys` × the slots from `first` to `last`, both inclusive. What the datasets in `held_by`
    hold counts as held, too."""

    dataset: str
    keys: tuple[str, ...]
    first: int
    last: int
    held_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """What a person named to be bought. None: the policy's watch lists, or what is known of the others. `notes` say
    what was repaired to look them up."""

    tokens: tuple[str, ...] | None = None
    others: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """Everything one run wants, of one seller. `at` is the scheduled time: editions come from it, never from now()."""

    flow: str
    reason: str
    seller: str
    at: datetime
    wants: tuple[Want, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def whole(self) -> bool:
        """All of its bill is bought, or nothing: a person has named the range and approves its price."""
        return self.reason == "backfill"
