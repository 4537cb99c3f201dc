"""Reading the published file from Python."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.warehouse.sample_market import DAYS, HOUR, NOW, SIGNALS
from warehouse import read

BITCOIN = [
    *("BTC", "3375", "BTC,", 3375, np.int64(3375)),
    *(["BTC"], [3375], ["3375"], (3375,), {3375}, [np.int64(3375)], [3375, "BTC"]),
    *(np.array([3375]), pd.Series([3375]), pd.Series(["BTC"])),
]


@pytest.mark.parametrize("tokens", BITCOIN, ids=repr)
def test_a_token_may_be_written_in_every_natural_way(market_home: Path, tokens: Any) -> None:
    assert read("signals", tokens=tokens, home=market_home)["trading_signal"].tolist() == list(SIGNALS[3375])


def test_several_tokens_may_be_a_list_or_comma_text(market_home: Path) -> None:
    for tokens in (["BTC", 3306], "BTC,3306", "BTC, ETH"):
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
    same = read("signals", tokens="ETH", as_of=f"{DAYS[4]:%Y-%m-%d}", home=market_home, format="arrow")
    assert same.equals(before)


def test_the_home_is_the_environments_unless_it_is_named(market_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLBOOK_HOME", str(market_home))
    assert len(read("moonshots", start=NOW.date() - pd.Timedelta(days=400))) == 4


def test_what_cannot_be_asked_is_refused_with_what_can(market_home: Path) -> None:
    with pytest.raises(KeyError, match="there are grades,"):
        read("grade", home=market_home)
    with pytest.raises(KeyError, match="its rows are in 'signals'"):
        read("trading_signals", home=market_home)
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
        (ValueError, "there are 'pandas' and 'arrow'", {"format": "polars"}),
    ]
    for kind, words, asked in refused:
        with pytest.raises(kind, match=words):
            read("signals", home=market_home, **asked)


def test_one_day_may_be_both_ends(market_home: Path) -> None:
    day: date | datetime = DAYS[0].date()
    assert len(read("signals", start=day, end=day, home=market_home)) == 3
