"""Price bars per token, and figures of the whole market."""

from __future__ import annotations

from datetime import date

from sources.model import HOUR, Cast, Column, Evidence, Kind, Paging, Since
from sources.sellers.tokenmetrics.base import (
    BY_TOKEN,
    DAILY,
    DATE,
    FOUNDED,
    HOUR_OF,
    HOURLY,
    LOWEST,
    MIDDLE,
    TOKEN,
    WINDOW,
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
    natural_key=("token_id", "timestamp"),
    time_column="timestamp",
    **BY_TOKEN,
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
    window=WINDOW,
    since=FOUNDED,
    **DAILY,
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
