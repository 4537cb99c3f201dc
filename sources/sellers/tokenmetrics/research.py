"""Figures and texts about single tokens, and investors: all snapshots."""

from __future__ import annotations

from sources.model import WEEK, Cast, Kind
from sources.sellers.tokenmetrics.base import (
    AS_OF,
    BY_TOKEN,
    MIDDLE,
    TOKEN,
    UNDATED,
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
    "price-prediction",
    "price_predictions",
    json("price_prediction"),
    doc="Price scenarios per token; a JSON object.",
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
    natural_key=("token_id", "as_of"),
    **UNDATED,
    **BY_TOKEN,
    grain=WEEK,
    lookback=4,
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
    grain=WEEK,
    lookback=4,
    rows_per_cell=None,
    doc="Funds and their returns. They change irregularly: bought once a week at most.",
)

DATASETS = (
    QUANTMETRICS,
    RESISTANCE_SUPPORT,
    CORRELATION,
    PRICE_PREDICTION,
    SCENARIO_ANALYSIS,
    AI_REPORTS,
    CRYPTO_INVESTORS,
)
