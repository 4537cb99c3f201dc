"""Figures and texts about single tokens, investors, and indices with their holdings and performance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sources.model import Cast, Column, Kind, Packing
from sources.sellers.tokenmetrics.base import (
    AS_OF,
    BY_TOKEN,
    DATE,
    DATED,
    LISTED_DAILY,
    LISTED_WEEKLY,
    MIDDLE,
    TOKEN,
    UNDATED,
    UNDATED_TOKENS,
    column,
    declare,
    floats,
    json,
    spelled,
    texts,
    token_snapshot,
)

QUANTMETRICS = token_snapshot(
    "quantmetrics",
    "quantmetrics",
    *floats("volatility", "all_time_return", "cagr", "sharpe", "sortino", "max_drawdown", "skew", "tail_ratio"),
    *floats("risk_reward_ratio", "profit_factor", "kurtosis", "daily_value_at_risk"),
    *floats("daily_return_avg", "daily_return_std"),
    doc="Return and risk figures per token, of the latest day.",
)
RESISTANCE_SUPPORT = token_snapshot(
    "resistance-support",
    "resistance_support",
    json("historical_resistance_support_levels"),
    **MIDDLE,
    doc="Price levels of resistance and support per token; the levels are JSON, older ones nested in the row.",
)
CORRELATION = token_snapshot(
    "correlation",
    "correlations",
    json("top_correlation"),
    doc="The tokens that move most with and against a token; JSON.",
)
PRICE_PREDICTION = token_snapshot(
    "price-prediction", "price_predictions", json("price_prediction"), doc="Price scenarios per token; a JSON object."
)
SCENARIO_ANALYSIS = token_snapshot(
    "scenario-analysis",
    "scenario_analyses",
    json("scenario_analysis"),
    doc="Older price scenarios per token; replaced by price-prediction in August 2025.",
)
AI_REPORTS = declare(
    "ai-reports",
    "ai_reports",
    Kind.SNAPSHOT,
    *TOKEN,
    AS_OF,
    *texts("investment_analysis_pointer", "investment_analysis", "deep_dive", "code_review"),
    **UNDATED_TOKENS,
    **BY_TOKEN,
    **LISTED_WEEKLY,
    doc="Long texts about a token. They change irregularly: bought once a week at most.",
)
CRYPTO_INVESTORS = declare(
    "crypto-investors",
    "crypto_investors",
    Kind.SNAPSHOT,
    *texts("investor_name", "investor_website", "investor_twitter"),
    AS_OF,
    spelled("round_count", Cast.INTEGER),
    *floats("roi_average", "roi_median"),
    natural_key=("investor_name", "as_of"),
    **UNDATED,
    **LISTED_WEEKLY,
    rows_per_cell=None,
    doc="Funds and their returns. They change irregularly: bought once a week at most.",
)


_INDEX_ID = column("index_id", Cast.INTEGER, ("ID", "id"))
_BY_INDEX: Mapping[str, Any] = {"key_column": "index_id", "packing": Packing("id", ids=1)}

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
    **LISTED_DAILY,
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
    **_BY_INDEX,
    **LISTED_DAILY,
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
    **_BY_INDEX,
    **DATED,
    **MIDDLE,
    doc="An index's return, capitalisation and volume per day.",
)

DATASETS = (
    *(QUANTMETRICS, RESISTANCE_SUPPORT, CORRELATION, PRICE_PREDICTION, SCENARIO_ANALYSIS, AI_REPORTS, CRYPTO_INVESTORS),
    *(INDICES, INDICES_HOLDINGS, INDICES_PERFORMANCE),
)
