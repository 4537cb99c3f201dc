"""The data on sale: the same at every request, paged and limited as documented, and readable by what is declared."""

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
from sandbox.seller import other_sellers
from sandbox.seller.shop import Product, tokenmetrics_products
from sandbox.settings import WorldSettings
from sources.model import Dataset
from sources.parse.rows import parse
from sources.planner.held import NOTHING_HELD
from sources.planner.plan import plan
from sources.registry import datasets
from sources.slots import slot

TOKENS = "3375,3306,3988"
KEYS = {"id": ("1",), "query": ("bitcoin",), "ids": ("bitcoin", "ethereum"), "a": ("BTC",)}
PAST = {"startDate": "2025-03-01", "endDate": "2025-03-20"}


class OfflineSeller:
    """A market and its sellers on a clock of their own, without HTTP."""

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
        everything = tokenmetrics_products(self.market, self.settings) + other_sellers.products(self.market, self.clock)
        return {(product.seller, product.path): product for product in everything}


@pytest.fixture
def offline() -> OfflineSeller:
    return OfflineSeller()


# -- what is declared can be read ------------------------------------------------------------------------------


def first_page(offline: OfflineSeller, dataset: Dataset) -> tuple[int, bytes, dict[str, Any]]:
    """Take the planner's first request of a dataset for the last day or hour, and the seller's answer."""
    now = offline.clock.now()
    keys = KEYS.get(dataset.packing.param, tuple(TOKENS.split(","))) if dataset.packing else ()
    here = slot(dataset, now)
    (piece, *_) = plan(dataset, keys, here - 1, here, NOTHING_HELD, now, now).pieces
    prefix = "/v2" if dataset.seller == "tokenmetrics" else other_sellers.base_paths()[dataset.seller]
    product = offline.products()[(dataset.seller, prefix + piece.path)]
    assert product.method == piece.method
    answer = product.serve(piece.params, piece.body)
    return answer.status, answer.body, piece.context()


@pytest.mark.parametrize("dataset", datasets(), ids=lambda dataset: dataset.name)
def test_every_declared_dataset_is_sold_and_reads_without_a_quarantined_row(
    offline: OfflineSeller, dataset: Dataset
) -> None:
    status, body, context = first_page(offline, dataset)
    parsed = parse(dataset, context, offline.clock.now(), status, "application/json", body)
    assert status == 200
    assert parsed.envelope == "ok"
    assert parsed.quarantined == ()
    assert not parsed.drift
    assert parsed.table.num_rows == parsed.rows_in_body > 0


@pytest.mark.parametrize("dataset", datasets(), ids=lambda dataset: dataset.name)
def test_no_price_is_above_the_dataset_s_own_ceiling(offline: OfflineSeller, dataset: Dataset) -> None:
    prefix = "/v2" if dataset.seller == "tokenmetrics" else other_sellers.base_paths()[dataset.seller]
    product = offline.products()[(dataset.seller, prefix + dataset.path)]
    assert product.price <= float(dataset.max_price) * 10**6
    assert (product.price == 0) is dataset.free


# -- the same at every request ---------------------------------------------------------------------------------

SERIES = ["tm-grade-history", "trading-signals", "trader-grades", "investor-grades", "daily-ohlcv", "market-metrics"]


@pytest.mark.parametrize("name", [*SERIES, "fundamental-grade-history", "technology-grade-history"])
def test_history_is_the_same_a_month_later_and_in_another_world(offline: OfflineSeller, name: str) -> None:
    asked = {"token_id": TOKENS, **PAST, "limit": 100}
    before = offline.rows(name, **asked)
    offline.clock.advance(timedelta(days=31))
    assert offline.rows(name, **asked) == before == OfflineSeller().rows(name, **asked)
    assert OfflineSeller(seed=8).rows(name, **asked) != before


@pytest.mark.parametrize("name", ["trading-signals", "daily-ohlcv", "tm-grade-history"])
def test_the_newest_day_moves_until_it_ends(offline: OfflineSeller, name: str) -> None:
    offline.clock.set(datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1))
    today = offline.clock.now().date()
    asked = {"token_id": 3375, "startDate": today, "endDate": today}
    seen = []
    for _ in range(4):
        seen.append(offline.rows(name, **asked))
        offline.clock.advance(timedelta(hours=4))
    assert all(first != second for first, second in pairwise(seen))
    offline.clock.advance(timedelta(hours=2))
    closed = offline.rows(name, **asked)
    offline.clock.advance(timedelta(days=2))
    assert offline.rows(name, **asked) == closed


def test_bars_meet_and_contain_their_open_and_close(offline: OfflineSeller) -> None:
    for name, start, end in (("daily-ohlcv", "2025-03-01", "2025-03-20"), ("hourly-ohlcv", "2025-03-01", "2025-03-02")):
        bars = offline.rows(name, token_id=3375, startDate=start, endDate=end, limit=100)
        for later, earlier in pairwise(bars):
            assert later["OPEN"] == earlier["CLOSE"]
        for bar in bars:
            assert bar["LOW"] <= min(bar["OPEN"], bar["CLOSE"]) <= max(bar["OPEN"], bar["CLOSE"]) <= bar["HIGH"]


def test_a_snapshot_and_its_history_say_the_same_of_today(offline: OfflineSeller) -> None:
    today = offline.clock.now().date()
    now = offline.rows("tm-grade", token_id=3375)[0]
    then = offline.rows("tm-grade-history", token_id=3375, startDate=today, endDate=today)[0]
    assert {name: then[name] for name in now if name != "QUANT_GRADE"} == {
        name: value for name, value in now.items() if name != "QUANT_GRADE"
    }


# -- pages, limits, dates ----------------------------------------------------------------------------------------


def test_pages_start_at_one_hold_fifty_and_end_short(offline: OfflineSeller) -> None:
    asked = {"token_id": TOKENS, **PAST}
    pages = [offline.rows("trading-signals", **asked, page=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 10, 0]
    whole = offline.rows("trading-signals", **asked, limit=100)
    assert pages[0] + pages[1] == whole


def test_rows_come_newest_first_without_repeats(offline: OfflineSeller) -> None:
    rows = offline.rows("trading-signals", token_id=TOKENS, **PAST, limit=100)
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
def test_bad_parameters_are_unprocessable(offline: OfflineSeller, bad: dict[str, object]) -> None:
    with pytest.raises(Unprocessable):
        offline.rows("trading-signals", **bad)


def test_thirty_days_apart_are_the_most(offline: OfflineSeller) -> None:
    assert (
        len(offline.rows("daily-ohlcv", token_id=3375, startDate="2025-03-01", endDate="2025-03-31", limit=100)) == 31
    )


@pytest.mark.parametrize("name", ["price", "hourly-trading-signals", "indices-holdings", "indices-performance"])
def test_endpoints_that_need_an_id_refuse_to_guess(offline: OfflineSeller, name: str) -> None:
    with pytest.raises(Unprocessable, match="required"):
        offline.rows(name)


def test_nothing_lies_in_the_future_or_before_listing(offline: OfflineSeller) -> None:
    late = next(token for token in offline.market.catalogue.tokens if token.rank == 31)
    ahead = offline.clock.now().date() + timedelta(days=5)
    back = ahead - timedelta(days=30)
    rows = offline.rows("trading-signals", token_id=late.token_id, startDate=back, endDate=ahead, limit=100)
    days = [date.fromisoformat(row["DATE"][:10]) for row in rows]
    assert max(days) == offline.clock.now().date()
    assert min(days) == date(1970, 1, 1) + timedelta(days=late.listed) > back
    assert offline.rows("trading-signals", token_id=late.token_id, **PAST) == []


# -- filters and quirks -------------------------------------------------------------------------------------------


def test_a_symbol_fits_several_tokens_and_an_unknown_id_none(offline: OfflineSeller) -> None:
    assert len(offline.rows("tokens", symbol="BTC")) == 3
    assert offline.rows("tokens", token_id=123) == []
    assert [row["TOKEN_ID"] for row in offline.rows("tokens", token_id="3306,3375")] == [3375, 3306]


def test_filters_leave_what_they_name(offline: OfflineSeller) -> None:
    today = offline.clock.now().date()
    bullish = offline.rows("trading-signals", signal=1, startDate=today, endDate=today, limit=100)
    assert bullish
    assert {row["TRADING_SIGNAL"] for row in bullish} == {1}
    good = offline.rows("trader-grades", traderGrade=60, startDate=today, endDate=today, limit=100)
    assert min(row["TM_TRADER_GRADE"] for row in good) >= 60
    assert len(offline.rows("tokens", category="defi", limit=100)) < len(offline.rows("tokens", limit=100))
    assert len(offline.rows("top-market-cap-tokens", top_k=7)) == 7
    assert 0 < len(offline.rows("tokens", marketcap=1e10, limit=100)) < 64


def test_rows_carry_the_seller_s_quirks(offline: OfflineSeller) -> None:
    signal = offline.rows("trading-signals", token_id=3375)[0]
    assert {"tm_link", "TM_LINK"} <= signal.keys()
    grade = offline.rows("tm-grade", token_id=3375)[0]
    assert isinstance(grade["TM_GRADE"], str)
    assert "TM_GRADE_24h_PCT_CHANGE" in grade
    assert "DATE" not in grade
    assert isinstance(offline.rows("hourly-trading-signals", token_id=3375)[0]["SIGNAL"], str)
    assert {"24H", "7D", "1M"} <= offline.rows("indices")[0].keys()
    assert "ID" not in offline.rows("indices-holdings", id=1)[0]
    assert isinstance(offline.rows("price-prediction", token_id=3375)[0]["PRICE_PREDICTION"], dict)
    scores = [row["VC_SCORE"] for row in offline.rows("fundamental-grade", limit=100)]
    assert None in scores
    assert any(score is not None for score in scores)


# -- moonshots ------------------------------------------------------------------------------------------------------


def test_moonshots_open_close_and_then_stay_as_they_ended(offline: OfflineSeller) -> None:
    active, past = offline.rows("moonshot-tokens", limit=100), offline.rows("moonshot-tokens", type="past", limit=100)
    assert {row["MOONSHOT_END_AT"] for row in active} == {None}
    assert len(past) == 100
    offline.clock.advance(timedelta(days=45))
    later = offline.rows("moonshot-tokens", type="past", limit=100)

    def key(row: dict[str, Any]) -> tuple[str, str, str]:
        return row["TOKEN_SYMBOL"], row["TOKEN_NAME"], row["MOONSHOT_AT"]

    closed = {
        key(row): row for page in (1, 2) for row in offline.rows("moonshot-tokens", type="past", limit=100, page=page)
    }
    assert later[0] not in past, "what closed since stands on top"
    assert {key(row) for row in active} <= closed.keys()
    assert closed[key(past[0])] == past[0]
    with pytest.raises(Unprocessable):
        offline.rows("moonshot-tokens", type="open")


# -- what a test may change ------------------------------------------------------------------------------------------


def test_columns_drift_on_demand(offline: OfflineSeller) -> None:
    offline.market.changes.drift(
        "trading-signals",
        add={"NEW": 1},
        drop=["HOLDING_RETURNS"],
        retype={"TOKEN_TREND": "n/a"},
        rename={"DATE": "date"},
    )
    row = offline.rows("trading-signals", token_id=3375)[0]
    assert row["NEW"] == 1
    assert row["TOKEN_TREND"] == "n/a"
    assert "date" in row
    assert not {"HOLDING_RETURNS", "DATE"} & row.keys()
    offline.market.changes.drift("tm-grade", older=True)
    assert "FUNDAMENTAL_GRADE" in offline.rows("tm-grade", token_id=3375)[0]
    offline.market.changes.clear()
    assert "DATE" in offline.rows("trading-signals", token_id=3375)[0]


def test_a_day_is_restated_on_demand(offline: OfflineSeller) -> None:
    day = (date(2025, 3, 20) - date(1970, 1, 1)).days
    before = offline.rows("trading-signals", token_id=TOKENS, **PAST, limit=100)
    offline.market.changes.restate("trading-signals", 3375, day, {"TRADING_SIGNAL": 7})
    after = offline.rows("trading-signals", token_id=TOKENS, **PAST, limit=100)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert changed[0][1] == changed[0][0] | {"TRADING_SIGNAL": 7}


def test_a_row_can_appear_between_two_pages(offline: OfflineSeller) -> None:
    day = (date(2025, 3, 20) - date(1970, 1, 1)).days
    whole = offline.rows("trading-signals", token_id=TOKENS, **PAST, limit=100)
    offline.market.changes.hold_back("trading-signals", 3375, day)
    first = offline.rows("trading-signals", token_id=TOKENS, **PAST, limit=30)
    second = offline.rows("trading-signals", token_id=TOKENS, **PAST, limit=30, page=2)
    assert whole[0] not in first
    assert first[-1] == second[0], "everything moved down by one: a row is seen twice, and one never"


def test_an_empty_answer_is_200_or_404_as_the_settings_say(offline: OfflineSeller) -> None:
    product = offline.products()[("tokenmetrics", "/v2/trading-signals")]
    nothing = product.serve([("token_id", "123")], b"")
    assert (nothing.status, json.loads(nothing.body)["data"]) == (200, [])
    offline.settings.update(empty="404")
    assert product.serve([("token_id", "123")], b"").status == 404


# -- size and speed ---------------------------------------------------------------------------------------------------


def test_thousands_of_tokens_are_listed_quickly_and_share_the_first_ones() -> None:
    small, large = OfflineSeller(), OfflineSeller(tokens=3000)
    ids = [token.token_id for token in large.market.catalogue.tokens]
    assert len(set(ids)) == 3000
    assert ids[:64] == [token.token_id for token in small.market.catalogue.tokens]
    today = large.clock.now().date()
    assert len(large.rows("trading-signals", startDate=today, endDate=today, limit=100, page=27)) == 100


def test_a_page_of_a_hundred_rows_takes_a_few_milliseconds(offline: OfflineSeller) -> None:
    """The aim is 5 ms on an idle core; the bound leaves room for a busy one."""
    asked = {"token_id": "3375,3306,3988,3369,3377", "startDate": "2025-03-01", "endDate": "2025-03-20", "limit": 100}
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        assert len(offline.rows("trading-signals", **asked)) == 100
        best = min(best, time.perf_counter() - started)
    assert best < 0.015
