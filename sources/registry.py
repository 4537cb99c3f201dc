"""Every seller, dataset and feed by name."""

from __future__ import annotations

from difflib import get_close_matches

from sources.feeds import FEEDS
from sources.model import Dataset, Feed, Kind, Seller
from sources.sellers import coingecko, firecrawl, glassnode, heurist, tavily, tokenmetrics

_SELLERS = (
    tokenmetrics.SELLER,
    coingecko.SELLER,
    firecrawl.SELLER,
    glassnode.SELLER,
    heurist.SELLER,
    tavily.SELLER,
)


class UnknownName(LookupError):
    """No seller sells, and no feed keeps, anything of that name. `near` are names like it."""

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        hint = f"did you mean {' or '.join(near)}?" if near else "`tollbook plan --help` says where names are listed"
        super().__init__(f"unknown feed or dataset {name!r}: {hint}")
        self.name = name
        self.near = near


def sellers() -> tuple[Seller, ...]:
    return _SELLERS


def seller(name: str) -> Seller:
    """A seller by its name in policy.toml."""
    for own in _SELLERS:
        if own.name == name:
            return own
    raise UnknownName(name, tuple(get_close_matches(name, [own.name for own in _SELLERS])))


def datasets() -> tuple[Dataset, ...]:
    return tuple(own for selling in _SELLERS for own in selling.datasets)


def dataset(name: str) -> Dataset:
    """A dataset by its own name; names are unique among sellers."""
    for own in datasets():
        if own.name == name:
            return own
    raise UnknownName(name, _near(name))


def seller_of(own: Dataset) -> Seller:
    return seller(own.seller)


def resolve(name: str) -> Feed | Dataset:
    """A feed, a dataset, or the dataset that fills a table. A table of several is named by its history, which can be
    bought for any time."""
    if name in FEEDS:
        return FEEDS[name]
    for own in datasets():
        if own.name == name:
            return own
    filling = [own for own in datasets() if own.table == name]
    if filling:
        return max(filling, key=lambda own: own.window is not None)
    raise UnknownName(name, _near(name))


def history(name: str) -> Dataset | None:
    """What a backfill of this feed, table or dataset buys: the series itself, or the one that repairs a snapshot."""
    found = resolve(name)
    for own in map(dataset, found.datasets) if isinstance(found, Feed) else (found,):
        if own.kind is Kind.SERIES:
            return own
        if own.repaired_by and dataset(own.repaired_by).kind is Kind.SERIES:
            return dataset(own.repaired_by)
    return None


def snapshots_of(history: Dataset) -> tuple[str, ...]:
    """Snapshots that fill a series' table day by day: what they have seen needs no buying from it."""
    return tuple(
        own.name
        for own in datasets()
        if own.repaired_by == history.name and history.kind is Kind.SERIES and own.grain == history.grain
    )


def history_of(snapshot: Dataset) -> Dataset | None:
    """The series that repairs a snapshot slot by slot, where there is one."""
    past = dataset(snapshot.repaired_by) if snapshot.kind is Kind.SNAPSHOT and snapshot.repaired_by else None
    return past if past and snapshot.name in snapshots_of(past) else None


def _near(name: str) -> tuple[str, ...]:
    names = {*FEEDS, *(own.name for own in datasets()), *(own.table for own in datasets())}
    return tuple(get_close_matches(name.lower().replace("_", "-"), sorted(names), n=3, cutoff=0.6))
