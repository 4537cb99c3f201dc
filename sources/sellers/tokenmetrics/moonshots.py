"""Moonshots: open and closed picks in one table; the newest version of a row wins."""

from __future__ import annotations

from sources.model import DAY, HOUR, Cast, Kind, Paging
from sources.sellers.tokenmetrics.base import column, declare, floats, spelled, texts

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
_KEY = ("token_symbol", "token_name", "moonshot_at")

MOONSHOT_TOKENS = declare(
    "moonshot-tokens",
    "moonshots",
    Kind.SNAPSHOT,
    *_COLUMNS,
    natural_key=_KEY,
    time_column="moonshot_at",
    grain=6 * HOUR,
    lookback=28,
    rows_per_cell=None,
    params={"type": "active"},
    repaired_by="moonshot-tokens-past",
    doc="Picks that are open now; the list changes several times a day.",
)
MOONSHOT_TOKENS_PAST = declare(
    "moonshot-tokens-past",
    "moonshots",
    Kind.SNAPSHOT,
    *_COLUMNS,
    natural_key=_KEY,
    time_column="moonshot_at",
    grain=DAY,
    rows_per_cell=None,
    path="/moonshot-tokens",
    params={"type": "past"},
    paging=Paging(rows=100, newest_first=True),
    doc="Closed picks with their end and return; read down to the first page without new rows.",
)

DATASETS = (MOONSHOT_TOKENS, MOONSHOT_TOKENS_PAST)
