"""Grades. Each snapshot shares its table with the history that repairs a day it missed."""

from __future__ import annotations

from tollbook.sources.model import Cast, Column
from tollbook.sources.tokenmetrics.base import floats, spelled, texts, token_series, token_snapshot

_CHANGE_SPELLINGS = ("TM_GRADE_24h_PCT_CHANGE", "tm_grade_24_h_pct_change", "tm_grade_24h_pct_change")

_TM_GRADE = (
    *floats("tm_grade"),
    Column("tm_grade_24h_pct_change", Cast.FLOAT, _CHANGE_SPELLINGS, "v2 mixes case, v3 spells it two ways"),
    *floats("tm_trader_grade_24h_change"),
    *floats("quant_grade", "fundamental_grade", expected=False),
    *texts("fundamental_grade_class", expected=False),
    spelled("tm_grade_signal", Cast.TEXT, doc="Strong Buy, Buy, Neutral, Sell, Strong Sell; other words are kept"),
    *texts("momentum"),
    spelled("trading_signal", Cast.INTEGER, expected=False),
    *texts("slug", expected=False),
)

TM_GRADE = token_snapshot(
    "tm-grade",
    "grades",
    *_TM_GRADE,
    repaired_by="tm-grade-history",
    doc="The Token Metrics grade of each token now.",
)
TM_GRADE_HISTORY = token_series(
    "tm-grade-history",
    "grades",
    *_TM_GRADE,
    doc="The Token Metrics grade per token and day.",
)

DATASETS = (TM_GRADE, TM_GRADE_HISTORY)
