"""What need not be bought: spans of slots per key, and listings that were read in part. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sources.planner.grid import Span, merged
from sources.planner.pieces import Group


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A listing that is held in part: its pages from the first on, without a hole. `ended`: there are no more, but
    not every cell of it is known, so the rest has to be asked for in other words."""

    group: Group
    pages: tuple[int, ...]
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What need not be bought: per key the spans of slots, and listings read in part. `listing_rows` is how long the
    dataset's last complete listing was, for the bill of the next."""

    spans: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    open_groups: tuple[OpenGroup, ...] = ()
    listing_rows: int | None = None


NOTHING = Held()


def together(*parts: Held) -> Held:
    """What is held by one or another, as a day of history that a snapshot has seen."""
    spans: dict[str, list[Span]] = {}
    for part in parts:
        for key, own in part.spans.items():
            spans.setdefault(key, []).extend(own)
    opened = tuple(group for part in parts for group in part.open_groups)
    return Held({key: merged(own) for key, own in spans.items()}, opened, parts[0].listing_rows if parts else None)


def before(held: Held, end: int) -> Held:
    """What is held of slots before `end`, as days of a snapshot that its history repaired."""
    spans = {key: tuple((a, min(b, end - 1)) for a, b in own if a < end) for key, own in held.spans.items()}
    return Held({key: own for key, own in spans.items() if own})
