"""Trading signals, daily and hourly."""

from __future__ import annotations

from sources.model import Cast, Kind
from sources.sellers.tokenmetrics.base import (
    BY_TOKEN,
    HOUR_OF,
    HOURLY,
    LOWEST,
    MIDDLE,
    TOKEN,
    column,
    declare,
    floats,
    spelled,
    texts,
    token_series,
)

TRADING_SIGNALS = token_series(
    "trading-signals",
    "signals",
    spelled("trading_signal", Cast.INTEGER),
    spelled("token_trend", Cast.INTEGER),
    *floats("trading_signals_returns", "holding_returns"),
    *floats("tm_trader_grade", "tm_investor_grade", expected=False),
    column("tm_slug", Cast.TEXT, ("tm_link", "slug")),
    column("tm_link", Cast.TEXT, ("TM_LINK", "app_link")),
    column("signal_word", Cast.TEXT, ("token_signal_str",), expected=False),
    column("trend_word", Cast.TEXT, ("token_trend_str",), expected=False),
    *floats("tm_grade", "fundamental_grade", expected=False),
    **LOWEST,
    doc="Daily long and short signals per token, with the returns of following them.",
)

HOURLY_TRADING_SIGNALS = declare(
    "hourly-trading-signals",
    "signals_hourly",
    Kind.SERIES,
    *TOKEN,
    HOUR_OF,
    *floats("close"),
    spelled("signal", Cast.INTEGER),
    *texts("position"),
    natural_key=("token_id", "timestamp"),
    time_column="timestamp",
    **BY_TOKEN,
    **HOURLY,
    **MIDDLE,
    doc="Hourly signals per token. Requests carry no dates: older rows are on further pages.",
)

DATASETS = (TRADING_SIGNALS, HOURLY_TRADING_SIGNALS)
