"""Reading the published file from Python."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.warehouse.sample_market import DAYS, HOUR, NOW, SIGNALS
from tollbook import connect, frame, read, sql
from tollbook.reading.file import NotPublished, refuse

BITCOIN: list[Any] = [
    *("BTC", "3375", "BTC,", 3375, np.int64(3375)),
    *(["BTC"], [3375], ["3375"], (3375,), {3375}, [np.int64(3375)], [3375, "BTC"]),
    *(np.array([3375]), pd.Series([3375]), pd.Series(["BTC"])),
]


@pytest.mark.parametrize("tokens", BITCOIN, ids=repr)
def test_a_token_may_be_written_in_every_natural_way(market_home: Path, tokens: Any) -> None:
    assert read("signals", tokens=tokens, home=market_home)["trading_signal"].tolist() == list(SIGNALS[3375])


def test_several_tokens_may_be_a_list_or_comma_text(market_home: Path) -> None:
    several: list[Any] = [["BTC", 3306], "BTC,3306", "BTC, ETH"]
    for tokens in several:
        frame = read("signals", tokens=tokens, home=market_home)
        assert sorted(frame["token_symbol"].unique()) == ["BTC", "ETH"]
    assert read("signals", tokens=[], home=market_home).empty


def test_the_sdks_parameter_names_mean_the_same(market_home: Path) -> None:
    first, last = f"{DAYS[1]:%Y-%m-%d}", f"{DAYS[2]:%Y-%m-%d}"
    ours = read("signals", tokens=["BTC"], start=first, end=last, home=market_home)
    assert ours["date"].tolist() == [pd.Timestamp(day.replace(tzinfo=None)) for day in DAYS[1:3]]
    pd.testing.assert_frame_equal(ours, read("signals", symbol="BTC", startDate=first, endDate=last, home=market_home))
    pd.testing.assert_frame_equal(ours, read("signals", token_id=3375, startDate=first, end=last, home=market_home))


def test_ends_are_inclusive_days_or_times_in_any_type(market_home: Path) -> None:
    day = DAYS[3]
    whole = read("signals_hourly", start=day.date(), end=day.date(), home=market_home)
    assert len(whole) == 24
    for at in (day + 14 * HOUR, f"{day:%Y-%m-%d}T14:00", f"{day:%Y-%m-%d}T15:00+01:00", pd.Timestamp(day + 14 * HOUR)):
        assert len(read("signals_hourly", end=at, home=market_home)) == 15


def test_moonshots_are_chosen_by_symbol_as_they_have_no_id(market_home: Path) -> None:
    assert read("moonshots", tokens="NEW", home=market_home)["token_name"].tolist() == ["New"]
    with pytest.raises(ValueError, match=r"moonshots has no token ids: give symbols, such as tokens=\['BTC'\]"):
        read("moonshots", tokens=[3375], home=market_home)
    with pytest.raises(ValueError, match="market_metrics has no token symbols: leave symbol out"):
        read("market_metrics", symbol="BTC", home=market_home)


def test_pandas_has_typed_columns_and_nulls(market_home: Path) -> None:
    frame = read("moonshots", home=market_home)
    assert isinstance(frame, pd.DataFrame)
    assert str(frame["moonshot_at"].dtype) == "datetime64[us, UTC]"
    assert frame["moonshot_end_at"].isna().tolist() == (frame["token_symbol"].isin(["OLD", "NEW"])).tolist()
    signals = read("signals", home=market_home)
    assert (str(signals["date"].dtype)[:10], str(signals["trading_signal"].dtype)) == ("datetime64", "int64")


def test_arrow_keeps_the_declared_types(market_home: Path) -> None:
    table = read("signals", tokens="ETH", home=market_home, format="arrow")
    assert isinstance(table, pa.Table)
    types = {name: table.schema.field(name).type for name in ("token_id", "date", "observed_at", "trading_signal")}
    utc = pa.timestamp("us", "UTC")
    assert types == {"token_id": pa.int64(), "date": pa.date32(), "observed_at": utc, "trading_signal": pa.int64()}
    assert table.column("trading_signal").to_pylist() == [1, 1, 1, 1, 1]


def test_as_of_gives_what_was_known_before_the_restatement(market_home: Path) -> None:
    before = read("signals", tokens="ETH", as_of=DAYS[4], home=market_home, format="arrow")
    assert before.column("trading_signal").to_pylist() == [1, 1, 1, 0]
    same = read("signals", tokens="ETH", as_of=f"{DAYS[4]:%Y-%m-%dT%H:%M}", home=market_home, format="arrow")
    assert same.equals(before)
    for day in (DAYS[4].date(), f"{DAYS[4]:%Y-%m-%d}", pd.Timestamp(DAYS[4].date()), np.datetime64(DAYS[4].date())):
        whole = read("signals", tokens="ETH", as_of=day, home=market_home, format="arrow")
        assert whole.column("trading_signal").to_pylist() == [1, 1, 1, 1, 1], "a day means its end"


def test_the_home_is_the_environments_unless_it_is_named(market_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLBOOK_HOME", str(market_home))
    assert len(read("moonshots", start=NOW.date() - pd.Timedelta(days=400))) == 4


def test_what_cannot_be_asked_is_refused_with_what_can(market_home: Path) -> None:
    with pytest.raises(KeyError, match="no table 'grade': did you mean 'grades'"):
        read("grade", home=market_home)
    with pytest.raises(KeyError, match="no table 'weather'; there are grades,"):
        read("weather", home=market_home)
    with pytest.raises(FileNotFoundError, match="tollbook run grades"):
        read("grades", home=market_home / "elsewhere")
    refused: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (TypeError, "tokens: 3375.0 is neither an id nor a symbol", {"tokens": [3375.0]}),
        (TypeError, "tokens: True is neither", {"tokens": [True]}),
        (TypeError, "symbol and token_id are names for the same", {"symbol": "BTC", "token_id": 3375}),
        (TypeError, "start and startDate are names for the same", {"start": "2026-01-01", "startDate": "2026-01-01"}),
        (ValueError, "endDate='2026-1-1' is no day or time: write '2026-01-31'", {"endDate": "2026-1-1"}),
        (ValueError, "is after end='2026-01-01': swap them", {"start": "2026-01-02", "end": "2026-01-01"}),
        (TypeError, "start=20260101 is no day or time", {"start": 20260101}),
        (TypeError, "is no day or time", {"start": np.float64(1.5)}),
        (ValueError, "it is missing", {"end": pd.NaT}),
        (ValueError, "there are 'pandas', 'polars', 'arrow'", {"format": "csv"}),
        (ValueError, "no token is called 'ETX': did you mean 'ETH'", {"tokens": "ETX"}),
        (ValueError, "no token has the id 3367: did you mean", {"token_id": 3367}),
        (ValueError, "no token is called 'XQZ'; the `tokens` table lists them all", {"symbol": "XQZ"}),
        (
            KeyError,
            "signals has no column 'trading_signl': did you mean 'trading_signal'",
            {"columns": ["trading_signl"]},
        ),
        (ValueError, "signals has no categories: take the tokens from one that has", {"category": "defi"}),
        (ValueError, "signals has no market capitalisation: leave it out, or", {"market_cap": 1e9}),
        (ValueError, "signals.trading_signal knows no signal 7; there are 1, 0, -1", {"signal": 7}),
        (ValueError, "signal='Buy': .*; ask for the values of trading_signal", {"signal": "Buy"}),
    ]
    for kind, words, asked in refused:
        with pytest.raises(kind, match=words):
            read("signals", home=market_home, **asked)


def test_one_day_may_be_both_ends(market_home: Path) -> None:
    day: date | datetime = DAYS[0].date()
    assert len(read("signals", start=day, end=day, home=market_home)) == 3


DAY = DAYS[3]
WHOLE_DAY: list[Any] = [
    *(DAY.date(), f"{DAY:%Y-%m-%d}", f"{DAY:%Y%m%d}", DAY.replace(tzinfo=None)),
    *(pd.Timestamp(DAY.date()), np.datetime64(DAY.date()), np.datetime64(DAY.date(), "ns")),
    *(pd.Series([DAY.date()]).iloc[0], pd.to_datetime(pd.Series([DAY.date()])).iloc[0]),
    pd.to_datetime(pd.Series([DAY.date()])).to_numpy()[0],
]


@pytest.mark.parametrize("when", WHOLE_DAY, ids=lambda when: type(when).__name__)
def test_a_day_means_the_whole_of_it_in_every_type(market_home: Path, when: Any) -> None:
    assert len(read("signals_hourly", start=when, end=when, home=market_home)) == 24
    assert read("signals", tokens="BTC", start=when, end=when, home=market_home)["trading_signal"].tolist() == [1]


AT_14 = DAY + 14 * HOUR
INSTANTS: list[Any] = [
    *(AT_14, AT_14.replace(tzinfo=None), AT_14.astimezone(timezone(timedelta(hours=5)))),
    *(pd.Timestamp(AT_14), pd.Timestamp(AT_14).tz_convert("Asia/Tokyo"), np.datetime64(AT_14.replace(tzinfo=None))),
    *(f"{AT_14:%Y-%m-%d %H:%M}", f"{AT_14:%Y-%m-%dT%H:%M:%SZ}", f"{AT_14 + HOUR:%Y-%m-%dT%H:%M}+01:00"),
]


@pytest.mark.parametrize("when", INSTANTS, ids=lambda when: f"{type(when).__name__} {when}"[:40])
def test_a_time_is_the_same_instant_in_every_type_and_zone(market_home: Path, when: Any) -> None:
    assert len(read("signals_hourly", start=when, end=when, home=market_home)) == 1
    assert len(read("signals", tokens="BTC", start=when, end=when, home=market_home)) == 1, "its day"


def test_any_table_or_view_can_be_read(market_home: Path) -> None:
    for name in ("costs", "cost_by_day", "quality_gaps", "quality_freshness", "price_scenarios", "publication"):
        assert isinstance(read(name, home=market_home), pd.DataFrame), name
    assert read("costs", start=DAYS[4].date(), home=market_home)["created_at"].min() >= DAYS[4]
    with pytest.raises(ValueError, match="the rows of publication have no time of their own: leave start out"):
        read("publication", start=DAYS[4], home=market_home)
    with pytest.raises(ValueError, match="costs keeps no versions: leave as_of out"):
        read("costs", as_of=DAYS[4], home=market_home)
    assert len(read("quality", home=market_home)) == len(read("quality_summary", home=market_home)) > 0
    versions = read("signals_observations", tokens="ETH", home=market_home)
    assert versions["observed_at"].groupby(versions["date"]).is_monotonic_increasing.all()
    assert len(versions) == 6


@pytest.mark.parametrize("name", ["trading-signals", "trading_signals", "/v2/trading-signals", "/trading-signals"])
def test_an_endpoints_name_is_the_table_that_its_rows_are_in(market_home: Path, name: str) -> None:
    asked: dict[str, Any] = {"tokens": "BTC", "home": market_home}
    pd.testing.assert_frame_equal(read(name, **asked), read("signals", **asked))


def test_a_token_may_be_called_by_its_name_and_in_any_case(market_home: Path) -> None:
    words: list[Any] = ["btc", "Bitcoin", "bitcoin", ["bitcoin", 3375]]
    for word in words:
        assert read("signals", tokens=word, home=market_home)["token_id"].unique().tolist() == [3375]


def test_a_known_token_without_rows_in_the_range_is_no_error(market_home: Path) -> None:
    assert read("signals", tokens="BTC", end="2001-01-01", home=market_home).empty
    assert read("correlations", tokens="ETH", home=market_home).empty is True


def test_columns_come_in_the_order_in_which_they_are_named(market_home: Path) -> None:
    asked: dict[str, Any] = {"tokens": "BTC", "home": market_home, "format": "arrow"}
    for columns in (["trading_signal", "date"], "trading_signal, DATE", ("trading_signal", "date", "date")):
        assert read("signals", columns=columns, **asked).column_names == ["trading_signal", "date"]


def test_polars_has_the_same_rows(market_home: Path) -> None:
    import polars as pl

    found = read("signals", tokens="BTC", home=market_home, format="polars")
    assert found.schema["date"] == pl.Date()
    assert found.schema["observed_at"] == pl.Datetime("us", "UTC")
    assert found["trading_signal"].to_list() == list(SIGNALS[3375])


def test_the_sellers_filters_select_rows(market_home: Path) -> None:
    assert set(read("signals", signal=[1, -1], home=market_home)["trading_signal"]) == {1, -1}
    assert read("signals", signal="-1", home=market_home)["trading_signal"].unique().tolist() == [-1]
    assert len(read("signals_hourly", signal=int(np.int64(1)), home=market_home)) == 24
    assert read("signals_hourly", signal=-1, home=market_home).empty
    assert len(read("grades", signal="buy", home=market_home)) == 15
    assert read("grades", signal="Strong Sell", home=market_home).empty
    with pytest.raises(ValueError, match="knows no signal 'Byu': did you mean 'Buy'"):
        read("grades", signal="Byu", home=market_home)
    with pytest.raises(ValueError, match=r"grades has no such signal; ask .* tm_grade_signal"):
        read("grades", signal=1, home=market_home)
    assert read("tokens", category="layer 1", home=market_home)["token_id"].tolist() == [3375]
    with pytest.raises(ValueError, match="no token is in the category 'layer1': did you mean 'Layer 1'"):
        read("tokens", category="Layer1", home=market_home)
    assert read("moonshots", market_cap=1e6, home=market_home).empty
    with pytest.raises(TypeError, match="market_cap='much' is no amount in USD"):
        read("moonshots", market_cap="much", home=market_home)  # type: ignore[call-overload]


@pytest.mark.parametrize("format", ["pandas", "polars", "arrow"])
def test_a_query_of_ones_own_has_exact_amounts_in_every_format(market_home: Path, format: str) -> None:
    asked = "SELECT purchase_id, amount, amount_atomic, created_at FROM costs WHERE amount > ? ORDER BY purchase_id"
    found: Any = sql(asked, [0], home=market_home, format=format)  # type: ignore[call-overload]
    amounts = found["amount"].to_pylist() if format == "arrow" else [*found["amount"]]
    assert {type(amount) for amount in amounts} == {Decimal}
    assert sum(amounts) * 10**6 == sum(
        found["amount_atomic"].to_pylist() if format == "arrow" else found["amount_atomic"]
    )


def test_a_query_may_use_macros_and_is_refused_in_a_format_there_is_not(market_home: Path) -> None:
    assert sql("FROM grades_as_of(now())", home=market_home).shape[0] > 0
    with pytest.raises(ValueError, match="there are 'pandas', 'polars', 'arrow'"):
        sql("FROM grades", home=market_home, format="csv")  # type: ignore[call-overload]


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of DuckDB's own .df()
def test_amounts_are_exact_and_days_and_times_have_one_type(market_home: Path) -> None:
    """As DuckDB itself gives days, and never a float for money; `frame` does it for a query."""
    costs = read("costs", home=market_home)
    assert costs["amount_atomic"].dtype == "int64"
    assert {type(amount) for amount in costs["amount"]} == {Decimal}
    assert str(costs["created_at"].dtype) == "datetime64[us, UTC]"
    with connect(market_home) as con:
        asked = frame(con.sql("SELECT amount_atomic, amount, created_at FROM costs ORDER BY purchase_id"))
        of_duckdb = con.sql("SELECT date, observed_at FROM signals").df().dtypes
    pd.testing.assert_frame_equal(asked, costs.sort_values("purchase_id", ignore_index=True)[asked.columns])
    ours = read("signals", columns="date, observed_at", home=market_home).dtypes
    assert ours.astype(str).tolist() == of_duckdb.astype(str).tolist() == ["datetime64[us]", "datetime64[us, UTC]"]
    assert costs["amount"].sum() == Decimal(int(costs["amount_atomic"].sum())) / 10**6


def test_a_word_that_is_asked_of_a_file_without_any_is_told_so() -> None:
    with pytest.raises(NotPublished, match=r"no token is in the category 'defi': this file has none yet"):
        refuse("no token is in the category 'defi'", "defi", [], otherwise="there are")
