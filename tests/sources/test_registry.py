"""Sellers, datasets, feeds and tables by name, and suggestions for unknown names."""

from __future__ import annotations

import pytest

from sources import registry
from sources.model import Dataset, Feed, Kind
from sources.registry import FEEDS
from sources.slots import slot, slots_per_step, wanted_slots
from tests.sources.buyer import AT


def test_names_of_datasets_and_sellers_are_unique() -> None:
    names = [dataset.name for dataset in registry.datasets()]
    assert len(set(names)) == len(names)
    assert len({seller.name for seller in registry.sellers()}) == len(registry.sellers())
    assert not set(names) & set(FEEDS)


def test_every_dataset_belongs_to_the_seller_that_lists_it() -> None:
    for seller in registry.sellers():
        assert {dataset.seller for dataset in seller.datasets} == {seller.name}


def test_datasets_of_one_table_agree_on_its_columns_and_key() -> None:
    shapes: dict[str, set[tuple[object, ...]]] = {}
    for dataset in registry.datasets():
        columns = tuple((column.name, column.cast) for column in dataset.columns)
        shapes.setdefault(dataset.table, set()).add((dataset.natural_key, dataset.time_column, columns))
    assert {table for table, found in shapes.items() if len(found) > 1} == set()


@pytest.mark.parametrize("name", ["grades", "signals", "moonshots"])
def test_the_scheduled_flows_are_feeds(name: str) -> None:
    found = registry.resolve(name)
    assert isinstance(found, Feed)
    assert found is registry.FEEDS[name]


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("tm-grade", "tm-grade"),
        ("ohlcv_daily", "daily-ohlcv"),
        ("trader_grades", "trader-grades"),
        ("technology_grades", "technology-grade-history"),
        ("tokens", "tokens"),
    ],
)
def test_a_dataset_goes_by_its_own_name_or_its_table(name: str, dataset: str) -> None:
    found = registry.resolve(name)
    assert isinstance(found, Dataset)
    assert found.name == dataset


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("grade", "grades"), ("trading-signal", "trading-signals"), ("Daily_OHLCV", "daily-ohlcv"), ("tokenz", "tokens")],
)
def test_a_mistyped_name_is_answered_with_names_like_it(typed: str, meant: str) -> None:
    with pytest.raises(registry.UnknownName, match=meant) as raised:
        registry.resolve(typed)
    assert meant in raised.value.similar


def test_a_name_like_none_says_where_to_look() -> None:
    with pytest.raises(registry.UnknownName, match="unknown feed or dataset 'zzzz'"):
        registry.resolve("zzzz")


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("grades", "tm-grade-history"),
        ("tm-grade", "tm-grade-history"),
        ("signals", "trading-signals"),
        ("fundamental-grade", "fundamental-grade-history"),
        ("market-metrics", "market-metrics"),
        ("moonshots", None),
        ("quantmetrics", None),
    ],
)
def test_a_backfill_buys_the_history_or_says_that_there_is_none(name: str, dataset: str | None) -> None:
    found = registry.history(name)
    assert (found and found.name) == dataset


def test_a_flow_wants_what_is_new_and_the_gaps_it_looks_back_for() -> None:
    here = slot(registry.dataset("trading-signals"), AT)
    hour = slot(registry.dataset("hourly-trading-signals"), AT)
    found = wanted_slots(FEEDS["signals"], AT, registry.dataset)
    assert [(want.dataset, want.first, want.last) for want in found] == [
        ("trading-signals", here - 28, here),
        ("hourly-trading-signals", hour - 24, hour),
    ]


def test_a_snapshots_gaps_are_wanted_from_the_history_that_repairs_them() -> None:
    here = slot(registry.dataset("tm-grade"), AT)
    found = wanted_slots(FEEDS["grades"], AT, registry.dataset)
    assert [(want.dataset, want.first, want.last) for want in found] == [
        ("tm-grade", here - 28, here),
        ("tm-grade-history", here - 28, here - 1),
    ]


def test_a_snapshot_named_alone_buys_only_what_it_is_now() -> None:
    assert [want.dataset for want in wanted_slots(Feed("x", ("tm-grade",)), AT, registry.dataset)] == ["tm-grade"]


SERIES = [dataset for dataset in registry.datasets() if dataset.kind is Kind.SERIES]


@pytest.mark.parametrize("dataset", SERIES, ids=lambda dataset: dataset.name)
def test_a_series_run_by_name_looks_back_past_its_patience_inside_one_window(dataset: Dataset) -> None:
    """Or a row that moved, or came late, would stay as it was first seen."""
    [want] = wanted_slots(Feed(dataset.name, (dataset.name,)), AT, registry.dataset)
    assert want.last == slot(dataset, AT)
    assert (want.last - want.first) * dataset.grain > dataset.settle + dataset.patience
    assert dataset.window is None or want.last // slots_per_step(dataset) - want.first // slots_per_step(dataset) < 29


def test_every_history_that_is_sold_by_date_says_since_when() -> None:
    assert [dataset.name for dataset in SERIES if dataset.window and not dataset.since] == []


@pytest.mark.parametrize(
    ("history", "snapshots"),
    [
        ("tm-grade-history", ("tm-grade",)),
        ("technology-grade-history", ("technology-grade",)),
        ("trading-signals", ()),
        ("moonshot-tokens-past", ()),
    ],
)
def test_a_history_counts_the_days_its_snapshot_saw(history: str, snapshots: tuple[str, ...]) -> None:
    assert tuple(twin.name for twin in registry.snapshots_of(registry.dataset(history))) == snapshots
