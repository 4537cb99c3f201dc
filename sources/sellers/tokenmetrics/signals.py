"""Trading signals, daily and hourly, and moonshots: open and closed picks in one table, the newest version wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sources.model import DAY, HOUR, Cast, Kind, Paging
from sources.sellers.tokenmetrics.base import (
    BY_TOKEN_AND_HOUR,
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
    **BY_TOKEN_AND_HOUR,
    **HOURLY,
    **MIDDLE,
    doc="Hourly signals per token. Requests carry no dates: older rows are on further pages.",
)


_COLUMNS = (
    *texts("token_name", "token_symbol"),
    spelled("moonshot_at", Cast.TIMESTAMP),
    spelled("moonshot_end_at", Cast.TIMESTAMP),
    *floats("moonshot_roi"),
    spelled("last_trading_signal_time", Cast.TIMESTAMP),
    *floats("tm_trader_grade", "tm_trader_grade_24h_pct_change"),
    column(
        "price_change_pct_7d",
        Cast.FLOAT,
        ("PRICE_CHANGE_PERCENTAGE_7D_IN_CURRENCY", "price_change_percentage_7d_in_currency"),
    ),
    *floats("market_cap", "volume_24h"),
)
_PICKED: Mapping[str, Any] = {
    "natural_key": ("token_symbol", "token_name", "moonshot_at"),
    "time_column": "moonshot_at",
    "rows_per_cell": None,
}

MOONSHOT_TOKENS = declare(
    "moonshot-tokens",
    "moonshots",
    Kind.SNAPSHOT,
    *_COLUMNS,
    **_PICKED,
    grain=6 * HOUR,
    lookback=28,
    params={"type": "active"},
    repaired_by="moonshot-tokens-past",
    doc="Picks that are open now; the list changes several times a day.",
)
MOONSHOT_TOKENS_PAST = declare(
    "moonshot-tokens-past",
    "moonshots",
    Kind.SNAPSHOT,
    *_COLUMNS,
    **_PICKED,
    grain=DAY,
    path="/moonshot-tokens",
    params={"type": "past"},
    paging=Paging(rows=100, newest_first=True),
    doc="Closed picks with their end and return; read down to the first page without new rows.",
)

DATASETS = (TRADING_SIGNALS, HOURLY_TRADING_SIGNALS, MOONSHOT_TOKENS, MOONSHOT_TOKENS_PAST)
