"""Grades of every kind. A snapshot is of the time of its call, its history twin of the end of a day: two tables."""

from __future__ import annotations

from sources.model import Cast, Evidence, Since
from sources.sellers.tokenmetrics.base import GRADED, LOWEST, column, floats, texts, token_series, token_snapshot

_SINCE = Since(GRADED)

# v2 mixes case, v3 spells it two ways
_CHANGE_SPELLINGS = (
    "TM_GRADE_24h_PCT_CHANGE",
    "TM_GRADE_24H_PCT_CHANGE",
    "tm_grade_24_h_pct_change",
    "tm_grade_24h_pct_change",
)

_TM_GRADE = (
    *floats("tm_grade"),
    column("tm_grade_24h_pct_change", Cast.FLOAT, _CHANGE_SPELLINGS),
    *floats("tm_trader_grade_24h_change"),
    *texts("tm_grade_signal", "momentum"),
    *texts("slug", expected=False),
)
# The two are sold with different figures. Rows of other generations, and of a client's examples, mix them: those stay
# in extras, so that neither table has a column that its own endpoint leaves empty.
_QUANT, _FUNDAMENTALS = ("quant_grade",), ("fundamental_grade", "fundamental_grade_class")
TM_GRADE = token_snapshot(
    "tm-grade",
    "grades_snapshots",
    *_TM_GRADE,
    *floats(*_QUANT, expected=False),
    extras=(*_FUNDAMENTALS, "trading_signal"),
    undated=True,
    repaired_by="tm-grade-history",
    doc="The Token Metrics grade of each token now.",
)
TM_GRADE_HISTORY = token_series(
    "tm-grade-history",
    "grades",
    *_TM_GRADE,
    *floats(_FUNDAMENTALS[0], expected=False),
    *texts(_FUNDAMENTALS[1], expected=False),
    extras=(*_QUANT, "trading_signal"),
    since=_SINCE,
    doc="The Token Metrics grade per token and day.",
)

_FUNDAMENTAL = (
    *floats("fundamental_grade"),
    *texts("fundamental_grade_class"),
    *floats("community_score", "exchange_score", "vc_score", "tokenomics_score", "defi_scanner_score"),
    *texts("slug", expected=False),
)
FUNDAMENTAL_GRADE = token_snapshot(
    "fundamental-grade",
    "fundamental_grades_snapshots",
    *_FUNDAMENTAL,
    undated=True,
    repaired_by="fundamental-grade-history",
    doc="The fundamental grade of each token now, and the scores behind it.",
)
FUNDAMENTAL_GRADE_HISTORY = token_series(
    "fundamental-grade-history",
    "fundamental_grades",
    *_FUNDAMENTAL,
    since=_SINCE,
    doc="The fundamental grade per token and day.",
)

_TECHNOLOGY = (
    *floats("technology_grade", "activity_score", "security_score", "repository_score", "collaboration_score"),
    *floats("defi_scanner_score"),
    *texts("slug", expected=False),
)
TECHNOLOGY_GRADE = token_snapshot(
    "technology-grade",
    "technology_grades_snapshots",
    *_TECHNOLOGY,
    repaired_by="technology-grade-history",
    doc="The technology grade of each token now; its rows carry their own date.",
)
TECHNOLOGY_GRADE_HISTORY = token_series(
    "technology-grade-history",
    "technology_grades",
    *_TECHNOLOGY,
    since=_SINCE,
    doc="The technology grade per token and day.",
)

TRADER_GRADES = token_series(
    "trader-grades",
    "trader_grades",
    *floats("ta_grade", "quant_grade", "tm_trader_grade", "tm_trader_grade_24h_pct_change"),
    since=Since(GRADED, Evidence.OBSERVED),
    **LOWEST,
    doc="Short-term grades per token and day.",
)
INVESTOR_GRADES = token_series(
    "investor-grades",
    "investor_grades",
    *floats("tm_investor_grade", "tm_investor_grade_7d_pct_change"),
    *floats("fundamental_grade", "technology_grade", "valuation_grade", "defi_usage_score", "community_score"),
    *floats("exchange_score", "vc_score", "tokenomics_score", "defi_scanner_score", "activity_score"),
    *floats("security_score", "repository_score", "collaboration_score"),
    since=_SINCE,
    **LOWEST,
    doc="Long-term grades per token and day, and the scores behind them.",
)

DATASETS = (
    *(TM_GRADE, TM_GRADE_HISTORY, FUNDAMENTAL_GRADE, FUNDAMENTAL_GRADE_HISTORY),
    *(TECHNOLOGY_GRADE, TECHNOLOGY_GRADE_HISTORY, TRADER_GRADES, INVESTOR_GRADES),
)
