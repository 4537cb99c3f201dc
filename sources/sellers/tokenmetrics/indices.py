"""Indices: figures of today, holdings, performance."""

from __future__ import annotations

from sources.model import DAY, Cast, Column, Kind, Packing
from sources.sellers.tokenmetrics.base import (
    AS_OF,
    DAILY,
    DATE,
    FOUNDED,
    MIDDLE,
    TOKEN,
    UNDATED,
    WINDOW,
    column,
    declare,
    floats,
    json,
    spelled,
    texts,
)

_INDEX_ID = column("index_id", Cast.INTEGER, ("ID", "id"))
_ONE_INDEX = Packing("id", ids=1)

INDICES = declare(
    "indices",
    "indices",
    Kind.SNAPSHOT,
    _INDEX_ID,
    *texts("name", "ticker"),
    AS_OF,
    spelled("price", Cast.FLOAT, doc="value of the index", unit="USD (inferred)"),
    spelled("coins", Cast.INTEGER),
    column("change_24h", Cast.FLOAT, ("24H", "24h")),
    column("change_7d", Cast.FLOAT, ("7D", "7d")),
    column("change_1m", Cast.FLOAT, ("1M", "1m")),
    column("volume_24h", Cast.FLOAT, ("24H_VOLUME", "24h_volume")),
    *floats("index_grade", "all_time"),
    spelled("market_cap", Cast.FLOAT, doc="market capitalisation of the index's tokens"),
    json("top_gainers_icons"),
    natural_key=("index_id", "as_of"),
    **UNDATED,
    grain=DAY,
    lookback=28,
    rows_per_cell=None,
    **MIDDLE,
    doc="Every index, active and passive, with today's figures.",
)
INDICES_HOLDINGS = declare(
    "indices-holdings",
    "index_holdings",
    Kind.SNAPSHOT,
    Column(
        *("index_id", Cast.INTEGER, (), "the index's id, from the request: rows don't repeat it"),
        from_request=True,
        unit="none",
        time_basis="none",
    ),
    *TOKEN,
    DATE,
    *texts("coin", "cg_id"),
    *floats("weight", "market_cap", "price", "current_roi", "trader_grade", "trader_grade_change_24h"),
    *texts("icon"),
    natural_key=("index_id", "token_id", "date"),
    time_column="date",
    key_column="index_id",
    packing=_ONE_INDEX,
    grain=DAY,
    lookback=28,
    rows_per_cell=None,
    **MIDDLE,
    doc="The tokens in an index today, with their weights.",
)
INDICES_PERFORMANCE = declare(
    "indices-performance",
    "index_performance",
    Kind.SERIES,
    _INDEX_ID,
    DATE,
    *floats("index_cumulative_roi"),
    spelled("market_cap", Cast.FLOAT, doc="market capitalisation of the index's tokens"),
    spelled("volume", Cast.FLOAT, doc="traded volume of the index's tokens"),
    spelled("fdv", Cast.FLOAT, doc="fully diluted valuation of the index's tokens"),
    natural_key=("index_id", "date"),
    time_column="date",
    key_column="index_id",
    packing=_ONE_INDEX,
    window=WINDOW,
    since=FOUNDED,
    **DAILY,
    **MIDDLE,
    doc="An index's return, capitalisation and volume per day.",
)

DATASETS = (INDICES, INDICES_HOLDINGS, INDICES_PERFORMANCE)
