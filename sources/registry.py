"""Every seller, dataset and feed, found by name: those that ship, and those that the policy's files declare.

What is declared holds for the whole process, as the policy does: a seller of a file takes the place of a shipped one of
its name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from typing import TypeVar

from sources.declaration.read import Declaration, parse_declaration
from sources.model import Dataset, Feed, Kind, Seller
from sources.sellers import tokenmetrics

_T = TypeVar("_T")


def _shipped(name: str) -> Seller:
    text = files("sources.sellers").joinpath(f"{name}.toml").read_text("utf-8")
    return parse_declaration(text, name).seller


SHIPPED = (tokenmetrics.SELLER, *map(_shipped, ("coingecko", "firecrawl", "glassnode", "heurist", "tavily")))

FEEDS = {
    "grades": Feed("grades", ("tm-grade",), repairs=True),
    "signals": Feed("signals", ("trading-signals", "hourly-trading-signals")),
    "moonshots": Feed("moonshots", ("moonshot-tokens", "moonshot-tokens-past")),
}
"""The datasets that each scheduled flow keeps fresh."""

_declared: tuple[Declaration, ...] = ()
_caches: list[Callable[[], None]] = []


def declare(declarations: Sequence[Declaration]) -> None:
    """Make these the sellers of files in this process, instead of any before. Raises DeclarationFault where two, or one
    and a shipped one, don't go together; then nothing changes."""
    global _declared
    if tuple(declarations) == _declared:
        return
    _check_together(declarations)
    _declared = tuple(declarations)
    forget_cached()


def declared() -> tuple[Declaration, ...]:
    """The declarations of files, for a child process to declare the same."""
    return _declared


def cached(function: Callable[..., _T]) -> functools._lru_cache_wrapper[_T]:
    """Cache what a function of all declarations returns, until `declare` changes them."""
    found = functools.cache(function)
    _caches.append(found.cache_clear)
    return found


def forget_cached() -> None:
    """Drop what is cached of the declarations, since they have changed."""
    for clear in _caches:
        clear()


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
    """Every seller, in the order of docs/sources.md, then those of files."""
    replaced = {declaration.seller.name for declaration in _declared}
    return (*(each for each in SHIPPED if each.name not in replaced), *(each.seller for each in _declared))


def feeds() -> Mapping[str, Feed]:
    return {**FEEDS, **{feed.name: feed for declaration in _declared for feed in declaration.feeds}}


def seller(name: str) -> Seller:
    """The seller of this name in policy.toml. Raises UnknownName."""
    for candidate in sellers():
        if candidate.name == name:
            return candidate
    raise UnknownName(name, tuple(get_close_matches(name, [known.name for known in sellers()])))


@cached
def datasets() -> tuple[Dataset, ...]:
    return tuple(dataset for seller in sellers() for dataset in seller.datasets)


def dataset(name: str) -> Dataset:
    """The dataset of this name; names are unique among sellers. Raises UnknownName."""
    found = _datasets_by_name().get(name)
    if found is None:
        raise UnknownName(name, _similar_names(name))
    return found


@cached
def _datasets_by_name() -> Mapping[str, Dataset]:
    return {dataset.name: dataset for dataset in datasets()}


def resolve(name: str) -> Feed | Dataset:
    """The feed or dataset of this name, or a dataset that fills the table of this name. Raises UnknownName.

    Of several datasets that fill a table, the history: it can be bought for any time.
    """
    if name in feeds():
        return feeds()[name]
    if name in _datasets_by_name():
        return _datasets_by_name()[name]
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


def snapshots_of(history: Dataset) -> tuple[Dataset, ...]:
    """The snapshots that show a series' newest slots: until a slot has settled, they are enough."""
    return tuple(
        candidate
        for candidate in datasets()
        if candidate.repaired_by == history.name and history.kind is Kind.SERIES and candidate.grain == history.grain
    )


def history_of(snapshot: Dataset) -> Dataset | None:
    """The history twin of a snapshot, where there is one with the same slots."""
    twin = dataset(snapshot.repaired_by) if snapshot.kind is Kind.SNAPSHOT and snapshot.repaired_by else None
    return twin if twin and snapshot in snapshots_of(twin) else None


def _similar_names(name: str) -> tuple[str, ...]:
    names = {*feeds(), *(known.name for known in datasets()), *(known.table for known in datasets())}
    return tuple(get_close_matches(name.lower().replace("_", "-"), sorted(names), n=3, cutoff=0.6))


def _check_together(declarations: Sequence[Declaration]) -> None:
    """Raise DeclarationFault for a dataset, table or feed that is somebody else's, or a repairer that nobody sells."""
    replaced = {declaration.seller.name for declaration in declarations}
    others = [dataset for seller in SHIPPED if seller.name not in replaced for dataset in seller.datasets]
    names = {dataset.name: dataset for dataset in others}
    tables = {dataset.table: dataset.seller for dataset in others}
    taken = set(FEEDS)
    for declaration in declarations:
        for dataset in declaration.seller.datasets:
            path = ("datasets", dataset.name)
            if dataset.name in names:
                what = f"is also a dataset of {names[dataset.name].seller}"
                raise declaration.wrong(path, what, f"call it {declaration.seller.name}-{dataset.name}")
            if tables.setdefault(dataset.table, dataset.seller) != dataset.seller:
                what = f"is {dataset.table!r}, a table of {tables[dataset.table]}"
                raise declaration.wrong((*path, "table"), what, f"call it {declaration.seller.name}_{dataset.table}")
            names[dataset.name] = dataset
        _check_repairs(declaration)
        for feed in declaration.feeds:
            if feed.name in taken or feed.name in names:
                raise declaration.wrong(
                    ("feeds", feed.name), "is the name of another feed or dataset", "call it otherwise"
                )
            taken.add(feed.name)


def _check_repairs(declaration: Declaration) -> None:
    sold = {dataset.name: dataset for dataset in declaration.seller.datasets}
    for dataset in declaration.seller.datasets:
        repairer = dataset.repaired_by
        if repairer is None:
            continue
        path = ("datasets", dataset.name, "repaired_by")
        if repairer not in sold or repairer == dataset.name:
            known = ", ".join(name for name in sold if name != dataset.name) or "none"
            raise declaration.wrong(
                path, f"names {repairer!r}, which this seller doesn't sell", f"it sells, too: {known}"
            )
        if sold[repairer].table != dataset.table:
            what = f"names {repairer!r}, which fills the table {sold[repairer].table}"
            raise declaration.wrong(path, what, f'what repairs it fills the same: table = "{dataset.table}"')
