"""Every seller, dataset and feed, found by name."""

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
    """Raised for a name that no seller, dataset, table or feed has. `similar` are names like it."""

    def __init__(self, name: str, similar: tuple[str, ...]) -> None:
        hint = (
            f"did you mean {' or '.join(similar)}?" if similar else "`tollbook plan --help` says where names are listed"
        )
        super().__init__(f"unknown feed or dataset {name!r}: {hint}")
        self.name = name
        self.similar = similar


def sellers() -> tuple[Seller, ...]:
    """Every seller, in the order of docs/sources.md."""
    return _SELLERS


def seller(name: str) -> Seller:
    """The seller of this name in policy.toml. Raises UnknownName."""
    for candidate in _SELLERS:
        if candidate.name == name:
            return candidate
    raise UnknownName(name, tuple(get_close_matches(name, [known.name for known in _SELLERS])))


def datasets() -> tuple[Dataset, ...]:
    """Every dataset of every seller."""
    return tuple(dataset for seller in _SELLERS for dataset in seller.datasets)


def dataset(name: str) -> Dataset:
    """The dataset of this name; names are unique among sellers. Raises UnknownName."""
    for candidate in datasets():
        if candidate.name == name:
            return candidate
    raise UnknownName(name, _similar_names(name))


def seller_of(dataset: Dataset) -> Seller:
    return seller(dataset.seller)


def resolve(name: str) -> Feed | Dataset:
    """The feed or dataset of this name, or a dataset that fills the table of this name. Raises UnknownName.

    Of several datasets that fill a table, the history: it can be bought for any time.
    """
    if name in FEEDS:
        return FEEDS[name]
    for candidate in datasets():
        if candidate.name == name:
            return candidate
    filling = [candidate for candidate in datasets() if candidate.table == name]
    if filling:
        return max(filling, key=lambda candidate: candidate.window is not None)
    raise UnknownName(name, _similar_names(name))


def history(name: str) -> Dataset | None:
    """The series that a backfill of this feed, table or dataset buys: itself, or the history twin of a snapshot.

    None where no history is sold. Raises UnknownName.
    """
    named = resolve(name)
    for candidate in map(dataset, named.datasets) if isinstance(named, Feed) else (named,):
        if candidate.kind is Kind.SERIES:
            return candidate
        if candidate.repaired_by and dataset(candidate.repaired_by).kind is Kind.SERIES:
            return dataset(candidate.repaired_by)
    return None


def snapshots_of(history: Dataset) -> tuple[str, ...]:
    """Names of the snapshots that show a series' newest slots: until a slot has settled, they are enough."""
    return tuple(
        candidate.name
        for candidate in datasets()
        if candidate.repaired_by == history.name and history.kind is Kind.SERIES and candidate.grain == history.grain
    )


def history_of(snapshot: Dataset) -> Dataset | None:
    """The history twin of a snapshot, where there is one with the same slots."""
    twin = dataset(snapshot.repaired_by) if snapshot.kind is Kind.SNAPSHOT and snapshot.repaired_by else None
    return twin if twin and snapshot.name in snapshots_of(twin) else None


def _similar_names(name: str) -> tuple[str, ...]:
    names = {*FEEDS, *(known.name for known in datasets()), *(known.table for known in datasets())}
    return tuple(get_close_matches(name.lower().replace("_", "-"), sorted(names), n=3, cutoff=0.6))
