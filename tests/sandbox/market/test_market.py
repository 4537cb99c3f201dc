"""The data on sale: the same when asked again, paged and limited as documented, and readable by what is declared."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from sandbox.clock import WorldClock
from sandbox.market.listings import Unprocessable
from sandbox.market.market import Market
from sandbox.seller import other_sellers, tokenmetrics
from sandbox.seller.shop import Product
from sandbox.settings import WorldSettings
from sources.model import Dataset
from sources.parse.rows import parse
from sources.planner.held import NOTHING_HELD
from sources.planner.plan import plan
from sources.registry import datasets, seller_of
from sources.slots import slot

TOKENS = "3375,3306,3988"
KEYS = {"id": ("1",), "query": ("bitcoin",), "ids": ("bitcoin", "ethereum"), "a": ("BTC",)}
PAST = {"startDate": "2025-03-01", "endDate": "2025-03-20"}


class Shelf:
    """A market on its own clock, asked without HTTP."""

    def __init__(self, **options: Any) -> None:
        self.clock = WorldClock()
        self.market = Market(self.clock, **options)
        self.settings = WorldSettings()

    def rows(self, name: str, **params: object) -> list[dict[str, Any]]:
        answer = self.market.answer(name, [(key, str(value)) for key, value in params.items()])
        assert answer["success"] is True
        assert answer["length"] == len(answer["data"])
        found: list[dict[str, Any]] = answer["data"]
        return found

    def products(self) -> dict[tuple[str, str], Product]:
        everything = tokenmetrics.products(self.market, self.settings) + other_sellers.products(self.market, self.clock)
        return {(product.seller, product.path): product for product in everything}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


# -- what is declared can be read ------------------------------------------------------------------------------


def first_page(shelf: Shelf, dataset: Dataset) -> tuple[int, bytes, dict[str, Any]]:
    """What the planner would ask first of a dataset for the last day or hour, and the seller's answer."""
    now = shelf.clock.now()
    keys = KEYS.get(dataset.packing.param, tuple(TOKENS.split(","))) if dataset.packing else ()
    here = slot(dataset, now)
    (piece, *_) = plan(dataset, seller_of(dataset), keys, here - 1, here, NOTHING_HELD, now, now).pieces
    prefix = "/v2" if dataset.seller == "tokenmetrics" else other_sellers.base_paths()[dataset.seller]
    product = shelf.products()[(dataset.seller, prefix + piece.path)]
    assert product.method == piece.method
    answer = product.serve(piece.params, piece.body)
    return answer.status, answer.body, piece.context()


@pytest.mark.parametrize("dataset", datasets(), ids=lambda dataset: dataset.name)
def test_every_declared_dataset_is_sold_and_reads_without_a_quarantined_row(shelf: Shelf, dataset: Dataset) -> None:
    status, body, context = first_page(shelf, dataset)
    parsed = parse(dataset, context, shelf.clock.now(), status, "application/json", body)
    assert status == 200
    assert parsed.envelope == "ok"
    assert parsed.quarantined == ()
    assert not parsed.drift
    assert parsed.table.num_rows == parsed.rows_in_body > 0


@pytest.mark.parametrize("dataset", datasets(), ids=lambda dataset: dataset.name)
def test_no_price_is_above_the_dataset_s_own_ceiling(shelf: Shelf, dataset: Dataset) -> None:
    prefix = "/v2" if dataset.seller == "tokenmetrics" else other_sellers.base_paths()[dataset.seller]
    product = shelf.products()[(dataset.seller, prefix + dataset.path)]
    assert product.price <= float(dataset.max_price) * 10**6
    assert (product.price == 0) is dataset.free


# -- the same when asked again ---------------------------------------------------------------------------------

SERIES = ["tm-grade-history", "trading-signals", "trader-grades", "investor-grades", "daily-ohlcv", "market-metrics"]


@pytest.mark.parametrize("name", [*SERIES, "fundamental-grade-history", "technology-grade-history"])
def test_history_is_the_same_a_month_later_and_in_another_world(shelf: Shelf, name: str) -> None:
    asked = {"token_id": TOKENS, **PAST, "limit": 100}
    before = shelf.rows(name, **asked)
    shelf.clock.advance(timedelta(days=31))
    assert shelf.rows(name, **asked) == before == Shelf().rows(name, **asked)
    assert Shelf(seed=8).rows(name, **asked) != before


@pytest.mark.parametrize("name", ["trading-signals", "daily-ohlcv", "tm-grade-history"])
def test_the_newest_day_moves_until_it_ends(shelf: Shelf, name: str) -> None:
    shelf.clock.set(datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1))
    today = shelf.clock.now().date()
    asked = {"token_id": 3375, "startDate": today, "endDate": today}
    seen = []
    for _ in range(4):
        seen.append(shelf.rows(name, **asked))
        shelf.clock.advance(timedelta(hours=4))
    assert all(first != second for first, second in pairwise(seen))
    shelf.clock.advance(timedelta(hours=2))
    closed = shelf.rows(name, **asked)
    shelf.clock.advance(timedelta(days=2))
    assert shelf.rows(name, **asked) == closed


def test_bars_meet_and_contain_their_open_and_close(shelf: Shelf) -> None:
    for name, start, end in (("daily-ohlcv", "2025-03-01", "2025-03-20"), ("hourly-ohlcv", "2025-03-01", "2025-03-02")):
        bars = shelf.rows(name, token_id=3375, startDate=start, endDate=end, limit=100)
        for later, earlier in pairwise(bars):
            assert later["OPEN"] == earlier["CLOSE"]
        for bar in bars:
            assert bar["LOW"] <= min(bar["OPEN"], bar["CLOSE"]) <= max(bar["OPEN"], bar["CLOSE"]) <= bar["HIGH"]


def test_a_snapshot_and_its_history_say_the_same_of_today(shelf: Shelf) -> None:
    today = shelf.clock.now().date()
    now = shelf.rows("tm-grade", token_id=3375)[0]
    then = shelf.rows("tm-grade-history", token_id=3375, startDate=today, endDate=today)[0]
    assert {name: then[name] for name in now if name != "QUANT_GRADE"} == {
        name: value for name, value in now.items() if name != "QUANT_GRADE"
    }


# -- pages, limits, dates ----------------------------------------------------------------------------------------


def test_pages_start_at_one_hold_fifty_and_end_short(shelf: Shelf) -> None:
    asked = {"token_id": TOKENS, **PAST}
    pages = [shelf.rows("trading-signals", **asked, page=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 10, 0]
    whole = shelf.rows("trading-signals", **asked, limit=100)
    assert pages[0] + pages[1] == whole


def test_rows_come_newest_first_without_repeats(shelf: Shelf) -> None:
    rows = shelf.rows("trading-signals", token_id=TOKENS, **PAST, limit=100)
    stamps = [row["DATE"] for row in rows]
    assert stamps == sorted(stamps, reverse=True)
    assert len({(row["TOKEN_ID"], row["DATE"]) for row in rows}) == len(rows) == 60


@pytest.mark.parametrize(
    "bad",
    [
        {"limit": 101},
        {"limit": 0},
        {"limit": "ten"},
        {"page": 0},
        {"page": "-1"},
        {"startDate": "2025-13-01"},
        {"startDate": "01.02.2025"},
        {"startDate": "2025-03-02", "endDate": "2025-03-01"},
        {"startDate": "2025-03-01", "endDate": "2025-04-01"},
        {"token_id": "BTC"},
        {"marketcap": "much"},
    ],
    ids=str,
)
def test_bad_parameters_are_unprocessable(shelf: Shelf, bad: dict[str, object]) -> None:
    with pytest.raises(Unprocessable):
        shelf.rows("trading-signals", **bad)


def test_thirty_days_apart_are_the_most(shelf: Shelf) -> None:
    assert len(shelf.rows("daily-ohlcv", token_id=3375, startDate="2025-03-01", endDate="2025-03-31", limit=100)) == 31


@pytest.mark.parametrize("name", ["price", "hourly-trading-signals", "indices-holdings", "indices-performance"])
def test_endpoints_that_need_an_id_refuse_to_guess(shelf: Shelf, name: str) -> None:
    with pytest.raises(Unprocessable, match="required"):
        shelf.rows(name)


def test_nothing_lies_in_the_future_or_before_listing(shelf: Shelf) -> None:
    late = next(token for token in shelf.market.catalogue.tokens if token.rank == 31)
    ahead = shelf.clock.now().date() + timedelta(days=5)
    back = ahead - timedelta(days=30)
    rows = shelf.rows("trading-signals", token_id=late.token_id, startDate=back, endDate=ahead, limit=100)
    days = [date.fromisoformat(row["DATE"][:10]) for row in rows]
    assert max(days) == shelf.clock.now().date()
    assert min(days) == date(1970, 1, 1) + timedelta(days=late.listed) > back
    assert shelf.rows("trading-signals", token_id=late.token_id, **PAST) == []


# -- filters and quirks -------------------------------------------------------------------------------------------


def test_a_symbol_fits_several_tokens_and_an_unknown_id_none(shelf: Shelf) -> None:
    assert len(shelf.rows("tokens", symbol="BTC")) == 3
    assert shelf.rows("tokens", token_id=123) == []
    assert [row["TOKEN_ID"] for row in shelf.rows("tokens", token_id="3306,3375")] == [3375, 3306]


def test_filters_leave_what_they_name(shelf: Shelf) -> None:
    today = shelf.clock.now().date()
    bullish = shelf.rows("trading-signals", signal=1, startDate=today, endDate=today, limit=100)
    assert bullish
    assert {row["TRADING_SIGNAL"] for row in bullish} == {1}
    good = shelf.rows("trader-grades", traderGrade=60, startDate=today, endDate=today, limit=100)
    assert min(row["TM_TRADER_GRADE"] for row in good) >= 60
    assert len(shelf.rows("tokens", category="defi", limit=100)) < len(shelf.rows("tokens", limit=100))
    assert len(shelf.rows("top-market-cap-tokens", top_k=7)) == 7
    assert 0 < len(shelf.rows("tokens", marketcap=1e10, limit=100)) < 64


def test_rows_carry_the_seller_s_quirks(shelf: Shelf) -> None:
    signal = shelf.rows("trading-signals", token_id=3375)[0]
    assert {"tm_link", "TM_LINK"} <= signal.keys()
    grade = shelf.rows("tm-grade", token_id=3375)[0]
    assert isinstance(grade["TM_GRADE"], str)
    assert "TM_GRADE_24h_PCT_CHANGE" in grade
    assert "DATE" not in grade
    assert isinstance(shelf.rows("hourly-trading-signals", token_id=3375)[0]["SIGNAL"], str)
    assert {"24H", "7D", "1M"} <= shelf.rows("indices")[0].keys()
    assert "ID" not in shelf.rows("indices-holdings", id=1)[0]
    assert isinstance(shelf.rows("price-prediction", token_id=3375)[0]["PRICE_PREDICTION"], dict)
    scores = [row["VC_SCORE"] for row in shelf.rows("fundamental-grade", limit=100)]
    assert None in scores
    assert any(score is not None for score in scores)


# -- moonshots ------------------------------------------------------------------------------------------------------


def test_moonshots_open_close_and_then_stay_as_they_ended(shelf: Shelf) -> None:
    active, past = shelf.rows("moonshot-tokens", limit=100), shelf.rows("moonshot-tokens", type="past", limit=100)
    assert {row["MOONSHOT_END_AT"] for row in active} == {None}
    assert len(past) == 100
    shelf.clock.advance(timedelta(days=45))
    later = shelf.rows("moonshot-tokens", type="past", limit=100)

    def key(row: dict[str, Any]) -> tuple[str, str, str]:
        return row["TOKEN_SYMBOL"], row["TOKEN_NAME"], row["MOONSHOT_AT"]

    closed = {
        key(row): row for page in (1, 2) for row in shelf.rows("moonshot-tokens", type="past", limit=100, page=page)
    }
    assert later[0] not in past, "what closed since stands on top"
    assert {key(row) for row in active} <= closed.keys()
    assert closed[key(past[0])] == past[0]
    with pytest.raises(Unprocessable):
        shelf.rows("moonshot-tokens", type="open")


# -- what a test may change ------------------------------------------------------------------------------------------


def test_columns_drift_on_demand(shelf: Shelf) -> None:
    shelf.market.changes.drift(
        "trading-signals",
        add={"NEW": 1},
        drop=["HOLDING_RETURNS"],
        retype={"TOKEN_TREND": "n/a"},
        rename={"DATE": "date"},
    )
    row = shelf.rows("trading-signals", token_id=3375)[0]
    assert row["NEW"] == 1
    assert row["TOKEN_TREND"] == "n/a"
    assert "date" in row
    assert not {"HOLDING_RETURNS", "DATE"} & row.keys()
    shelf.market.changes.drift("tm-grade", older=True)
    assert "FUNDAMENTAL_GRADE" in shelf.rows("tm-grade", token_id=3375)[0]
    shelf.market.changes.clear()
    assert "DATE" in shelf.rows("trading-signals", token_id=3375)[0]


def test_a_day_is_restated_on_demand(shelf: Shelf) -> None:
    day = (date(2025, 3, 20) - date(1970, 1, 1)).days
    before = shelf.rows("trading-signals", token_id=TOKENS, **PAST, limit=100)
    shelf.market.changes.restate("trading-signals", 3375, day, {"TRADING_SIGNAL": 7})
    after = shelf.rows("trading-signals", token_id=TOKENS, **PAST, limit=100)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert changed[0][1] == changed[0][0] | {"TRADING_SIGNAL": 7}


def test_a_row_can_appear_between_two_pages(shelf: Shelf) -> None:
    day = (date(2025, 3, 20) - date(1970, 1, 1)).days
    whole = shelf.rows("trading-signals", token_id=TOKENS, **PAST, limit=100)
    shelf.market.changes.hold_back("trading-signals", 3375, day)
    first = shelf.rows("trading-signals", token_id=TOKENS, **PAST, limit=30)
    second = shelf.rows("trading-signals", token_id=TOKENS, **PAST, limit=30, page=2)
    assert whole[0] not in first
    assert first[-1] == second[0], "everything moved down by one: a row is seen twice, and one never"


def test_an_empty_answer_is_200_or_404_as_the_settings_say(shelf: Shelf) -> None:
    product = shelf.products()[("tokenmetrics", "/v2/trading-signals")]
    nothing = product.serve([("token_id", "123")], b"")
    assert (nothing.status, json.loads(nothing.body)["data"]) == (200, [])
    shelf.settings.update(empty="404")
    assert product.serve([("token_id", "123")], b"").status == 404


# -- size and speed ---------------------------------------------------------------------------------------------------


def test_thousands_of_tokens_are_listed_quickly_and_share_the_first_ones() -> None:
    small, large = Shelf(), Shelf(tokens=3000)
    ids = [token.token_id for token in large.market.catalogue.tokens]
    assert len(set(ids)) == 3000
    assert ids[:64] == [token.token_id for token in small.market.catalogue.tokens]
    today = large.clock.now().date()
    assert len(large.rows("trading-signals", startDate=today, endDate=today, limit=100, page=27)) == 100


def test_a_page_of_a_hundred_rows_takes_a_few_milliseconds(shelf: Shelf) -> None:
    """The aim is 5 ms on an idle core; the bound leaves room for a busy one."""
    asked = {"token_id": "3375,3306,3988,3369,3377", "startDate": "2025-03-01", "endDate": "2025-03-20", "limit": 100}
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        assert len(shelf.rows("trading-signals", **asked)) == 100
        best = min(best, time.perf_counter() - started)
    assert best < 0.015
