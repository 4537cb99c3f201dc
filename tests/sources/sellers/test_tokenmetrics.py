"""Token Metrics' declarations against the answers it was seen or documented to give."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sources import registry
from sources.model import DAY, EXTRAS, HOUR, WEEK, Dataset, Kind
from sources.parse.envelope import opened_body
from sources.parse.rows import parse
from sources.sellers import tokenmetrics
from tests.paths import VECTORS as VECTORS_FOLDER

VECTORS = json.loads((VECTORS_FOLDER / "tokenmetrics_rows.json").read_text())
RECEIVED = datetime(2025, 11, 1, 9, tzinfo=UTC)
DATASETS = tokenmetrics.SELLER.datasets
NOT_DATASETS = {"/tmai"}
OLD_EXAMPLE = "Older documentation example (2023)"

CASES = [
    pytest.param(dataset, endpoint, id=f"{dataset.name}-{number}")
    for number, endpoint in enumerate(VECTORS["endpoints"])
    for dataset in DATASETS
    if endpoint["path"].removeprefix("/v2").removeprefix("/v3") == dataset.path
]


def test_every_endpoint_of_the_samples_is_declared() -> None:
    sold = {endpoint["path"].removeprefix("/v2").removeprefix("/v3") for endpoint in VECTORS["endpoints"]}
    assert sold - {dataset.path for dataset in DATASETS} == NOT_DATASETS


@pytest.mark.parametrize(("dataset", "endpoint"), CASES)
def test_a_sample_is_read_whole_and_without_surprise(dataset: Dataset, endpoint: dict[str, Any]) -> None:
    sample = endpoint["sample_response"]
    body = json.dumps(sample).encode()
    parsed = parse(dataset, {"keys": ["7"]}, RECEIVED, 200, "application/json", body)
    assert (parsed.envelope, parsed.quarantined) == ("ok", ())
    assert parsed.table.num_rows == parsed.rows_in_body == sample["length"]
    assert parsed.drift.new == parsed.drift.changed == {}
    assert parsed.drift.vanished == (("token_symbol",) if endpoint["note"].startswith(OLD_EXAMPLE) else ())


@pytest.mark.parametrize(("dataset", "endpoint"), CASES)
def test_every_value_of_a_sample_arrives(dataset: Dataset, endpoint: dict[str, Any]) -> None:
    """A value that is not null at the seller is not null with us, under the column that names it."""
    sample = endpoint["sample_response"]
    parsed = parse(dataset, {"keys": ["7"]}, RECEIVED, 200, "application/json", json.dumps(sample).encode())
    ours = {name: column for column in dataset.columns for name in column.names}
    for sold, row in zip(sample["data"], parsed.table.to_pylist(), strict=True):
        for name, value in sold.items():
            assert (row[ours[name].name] is None) == (value is None), name


@pytest.mark.parametrize("answer", VECTORS["errors"], ids=lambda answer: str(answer["status"]))
def test_an_error_body_has_no_rows_and_is_no_failure_of_ours(answer: dict[str, Any]) -> None:
    opened = opened_body(DATASETS[0], answer["status"], "", json.dumps(answer["sample_response"]).encode())
    assert (opened.envelope.value, opened.rows) == ("failed", [])


def test_an_empty_answer_is_an_answer() -> None:
    opened = opened_body(DATASETS[0], 200, "", json.dumps(VECTORS["empty"]["sample_response"]).encode())
    assert (opened.envelope.value, opened.rows) == ("ok", [])


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_both_versions_of_a_name_load_into_the_same_column(dataset: Dataset) -> None:
    """v2 shouts, v3 doesn't."""
    own = {name: column.name for column in dataset.columns for name in column.names}
    for name, column in own.items():
        other = own.get(name.lower(), column)
        assert other == column or {other, column} == {"tm_slug", "tm_link"}, name
        assert name.lower() in own or name in ("TM_GRADE_24h_PCT_CHANGE",), name


def test_the_v3_row_of_a_signal_fills_its_own_columns() -> None:
    v3 = next(endpoint for endpoint in VECTORS["endpoints"] if endpoint["path"] == "/v3/trading-signals")
    signals = registry.dataset("trading-signals")
    body = json.dumps(v3["sample_response"]).encode()
    row = parse(signals, {}, RECEIVED, 200, "application/json", body).table.to_pylist()[0]
    assert (row["signal_word"], row["trend_word"], row["tm_slug"]) == ("Bullish", "Bullish", "bitcoin")
    assert (row["tm_link"], row["tm_grade"]) == ("https://app.tokenmetrics.com/en/bitcoin", 71.05)


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_declaration_agrees_with_itself(dataset: Dataset) -> None:
    names = [column.name for column in dataset.columns]
    assert set(dataset.natural_key) <= set(names)
    assert dataset.time_column in names
    assert dataset.key_column is None or dataset.key_column in names
    assert (dataset.key_column is None) == (dataset.packing is None)
    assert replace(dataset.columns[-1], names=()) == EXTRAS
    assert dataset.window is None or dataset.kind is Kind.SERIES
    assert not set(dataset.compared) & set(dataset.natural_key)
    assert dataset.doc.endswith(".")


ONLY_IN = {"tm-grade": {"quant_grade"}, "tm-grade-history": {"fundamental_grade", "fundamental_grade_class"}}
"""Columns that only one of a snapshot and its history is sold with; in rows of the other they stay in extras."""


def test_what_repairs_a_snapshot_shares_its_columns_and_a_history_has_a_table_of_its_own() -> None:
    """A history's values are of another time than a snapshot's; a listing's rows are the same picks, closed since."""
    for dataset in DATASETS:
        if dataset.repaired_by:
            history = registry.dataset(dataset.repaired_by)
            apart = history.kind is Kind.SERIES
            assert dataset.table == (f"{history.table}_snapshots" if apart else history.table)
            assert history.natural_key == dataset.natural_key
            ours, theirs = ({column.name for column in each.columns} for each in (dataset, history))
            assert ours - theirs == ONLY_IN.get(dataset.name, set())
            assert theirs - ours == ONLY_IN.get(history.name, set())


def test_only_what_the_seller_gives_away_is_free() -> None:
    assert {dataset.name for dataset in DATASETS if dataset.free} == {"tokens", "price", "top-market-cap-tokens"}


@pytest.mark.parametrize(
    ("name", "kind", "grain", "key"),
    [
        ("tokens", Kind.REFERENCE, DAY, ("token_id",)),
        ("price", Kind.SNAPSHOT, HOUR, ("token_id", "as_of")),
        ("top-market-cap-tokens", Kind.SNAPSHOT, DAY, ("token_id", "as_of")),
        ("tm-grade", Kind.SNAPSHOT, DAY, ("token_id", "date")),
        ("tm-grade-history", Kind.SERIES, DAY, ("token_id", "date")),
        ("fundamental-grade", Kind.SNAPSHOT, DAY, ("token_id", "date")),
        ("fundamental-grade-history", Kind.SERIES, DAY, ("token_id", "date")),
        ("technology-grade", Kind.SNAPSHOT, DAY, ("token_id", "date")),
        ("technology-grade-history", Kind.SERIES, DAY, ("token_id", "date")),
        ("trader-grades", Kind.SERIES, DAY, ("token_id", "date")),
        ("investor-grades", Kind.SERIES, DAY, ("token_id", "date")),
        ("trading-signals", Kind.SERIES, DAY, ("token_id", "date")),
        ("hourly-trading-signals", Kind.SERIES, HOUR, ("token_id", "timestamp")),
        ("moonshot-tokens", Kind.SNAPSHOT, 6 * HOUR, ("token_symbol", "token_name", "moonshot_at")),
        ("moonshot-tokens-past", Kind.SNAPSHOT, DAY, ("token_symbol", "token_name", "moonshot_at")),
        ("hourly-ohlcv", Kind.SERIES, HOUR, ("token_id", "timestamp")),
        ("daily-ohlcv", Kind.SERIES, DAY, ("token_id", "date")),
        ("market-metrics", Kind.SERIES, DAY, ("date",)),
        ("sentiments", Kind.SNAPSHOT, HOUR, ("timestamp",)),
        ("quantmetrics", Kind.SNAPSHOT, DAY, ("token_id", "date")),
        ("resistance-support", Kind.SNAPSHOT, DAY, ("token_id", "date")),
        ("correlation", Kind.SNAPSHOT, DAY, ("token_id", "date")),
        ("price-prediction", Kind.SNAPSHOT, DAY, ("token_id", "date")),
        ("scenario-analysis", Kind.SNAPSHOT, DAY, ("token_id", "date")),
        ("ai-reports", Kind.SNAPSHOT, WEEK, ("token_id", "as_of")),
        ("crypto-investors", Kind.SNAPSHOT, WEEK, ("investor_name", "as_of")),
        ("indices", Kind.SNAPSHOT, DAY, ("index_id", "as_of")),
        ("indices-holdings", Kind.SNAPSHOT, DAY, ("index_id", "token_id", "date")),
        ("indices-performance", Kind.SERIES, DAY, ("index_id", "date")),
    ],
)
def test_an_endpoint_is_declared_by_kind_cadence_and_key(
    name: str, kind: Kind, grain: int, key: tuple[str, ...]
) -> None:
    dataset = registry.dataset(name)
    assert (dataset.kind, dataset.grain, dataset.natural_key) == (kind, grain, key)


def test_nothing_is_sold_that_the_table_above_leaves_out() -> None:
    assert len(DATASETS) == 29


def test_every_series_asks_for_the_windows_the_seller_allows() -> None:
    for dataset in DATASETS:
        if dataset.window:
            assert (dataset.window.start_param, dataset.window.end_param, dataset.window.days) == (
                "startDate",
                "endDate",
                29,
            )


def test_the_seller_is_asked_with_the_payment_header_and_never_with_a_key() -> None:
    assert tokenmetrics.SELLER.headers == {"x-coinbase-402": "true"}
    assert tokenmetrics.SELLER.payment_token_header == "x-payment-token"
