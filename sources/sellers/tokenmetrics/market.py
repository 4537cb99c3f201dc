"""Price bars per token, figures of the whole market, and the free datasets: tokens, prices, the largest tokens."""

from __future__ import annotations

from datetime import date

from sources.model import DAY, HOUR, Cast, Column, Evidence, Kind, Paging, Since
from sources.sellers.tokenmetrics.base import (
    AS_OF,
    BY_TOKEN,
    BY_TOKEN_AND_HOUR,
    DATE,
    DATED,
    FOUNDED,
    HOUR_OF,
    HOURLY,
    LISTED_DAILY,
    LOWEST,
    MIDDLE,
    TOKEN,
    UNDATED,
    UNDATED_TOKENS,
    WINDOW,
    column,
    declare,
    floats,
    spelled,
    texts,
    token_series,
)

# Four years of daily bars were observed in spring 2025, the oldest of 2021-05-02. Unknown: whether the four years move
# with the calendar.
_BARS = floats("open", "high", "low", "close", "volume")

HOURLY_OHLCV = declare(
    "hourly-ohlcv",
    "ohlcv_hourly",
    Kind.SERIES,
    *TOKEN,
    HOUR_OF,
    *_BARS,
    **BY_TOKEN_AND_HOUR,
    window=WINDOW,
    since=FOUNDED,
    **HOURLY,
    **LOWEST,
    doc="Open, high, low, close and volume per token and hour; asked for by whole days.",
)
DAILY_OHLCV = token_series(
    "daily-ohlcv",
    "ohlcv_daily",
    *_BARS,
    since=Since(date(2021, 1, 1), Evidence.OBSERVED),
    **LOWEST,
    doc="Open, high, low, close and volume per token and day; dated DATE (observed) or TIMESTAMP (documented).",
)
MARKET_METRICS = declare(
    "market-metrics",
    "market_metrics",
    Kind.SERIES,
    DATE,
    *floats("total_crypto_mcap", "tm_grade_perc_high_coins"),
    spelled(
        "tm_grade_signal", Cast.INTEGER, doc="signal of the whole market: 1 bullish, 0 neutral, -1 bearish (inferred)"
    ),
    spelled("last_tm_grade_signal", Cast.INTEGER),
    natural_key=("date",),
    time_column="date",
    **DATED,
    **MIDDLE,
    doc="The whole market per day: capitalisation, share of highly graded tokens, bullish or bearish.",
)
SENTIMENTS = declare(
    "sentiments",
    "sentiments",
    Kind.SNAPSHOT,
    Column(
        *("timestamp", Cast.TIMESTAMP, ("DATETIME", "datetime"), "UTC hour of the row, its beginning"),
        unit="UTC time",
        time_basis="none",
    ),
    *floats("market_sentiment_grade"),
    *texts("market_sentiment_label"),
    *floats("news_sentiment_grade"),
    *texts("news_sentiment_label", "news_summary"),
    *floats("reddit_sentiment_grade"),
    *texts("reddit_sentiment_label", "reddit_summary"),
    *floats("twitter_sentiment_grade"),
    *texts("twitter_sentiment_label", "twitter_summary"),
    natural_key=("timestamp",),
    time_column="timestamp",
    grain=HOUR,
    rows_per_cell=None,
    paging=Paging(rows=100, depth=1),
    **LOWEST,
    doc="Market mood by the hour, from news and social media; only the newest page is worth buying.",
)

DATASETS = (HOURLY_OHLCV, DAILY_OHLCV, MARKET_METRICS, SENTIMENTS)


_MARKET = (
    *floats("current_price", "market_cap", "total_volume", expected=False),
    *floats("circulating_supply", "total_supply", "max_supply", "fully_diluted_valuation", expected=False),
    *floats("high_24h", "low_24h", expected=False),
    column(
        "price_change_pct_24h",
        Cast.FLOAT,
        ("PRICE_CHANGE_PERCENTAGE_24H_IN_CURRENCY", "price_change_percentage_24h_in_currency"),
        expected=False,
    ),
)
_LISTS = (
    spelled("exchange_list", Cast.JSON, expected=False),
    spelled("category_list", Cast.JSON, expected=False),
    column("tm_link", Cast.TEXT, ("TM_LINK", "app_link"), expected=False),
    column("tm_slug", Cast.TEXT, ("tm_link", "slug"), expected=False),
)

TOKENS_LIST = declare(
    "tokens",
    "tokens",
    Kind.REFERENCE,
    *TOKEN,
    AS_OF,
    *_LISTS,
    *_MARKET,
    natural_key=("token_id",),
    **UNDATED,
    grain=DAY,
    rows_per_cell=None,
    free=True,
    doc="Every token of the seller: ids for names and symbols.",
)
PRICE = declare(
    "price",
    "prices",
    Kind.SNAPSHOT,
    *TOKEN,
    Column(
        *("as_of", Cast.TIMESTAMP, (), "UTC hour in which the price was observed, its beginning"),
        unit="UTC time",
        time_basis="none",
        source=Evidence.DERIVED,
    ),
    *floats("current_price"),
    **UNDATED_TOKENS,
    **BY_TOKEN,
    grain=HOUR,
    free=True,
    doc="Prices now, one row per token and observed hour.",
)
TOP_MARKET_CAP = declare(
    "top-market-cap-tokens",
    "top_market_cap",
    Kind.SNAPSHOT,
    *TOKEN,
    AS_OF,
    *_LISTS,
    **UNDATED_TOKENS,
    **LISTED_DAILY,
    params={"top_k": "100"},
    paging=Paging(rows=100, depth=1),
    free=True,
    doc="The hundred largest tokens by market capitalisation, per day.",
)

FREE = (TOKENS_LIST, PRICE, TOP_MARKET_CAP)
