"""Rows as api.tokenmetrics.com/v3 spells them: lower case, with a slug, words beside signals, and links renamed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sandbox.market import figures
from sandbox.market.catalogue import EPOCH_DAY, Token
from sandbox.market.noise import DAY
from sandbox.market.rows import Row

_RENAMED = {"TM_LINK": "app_link"}
_CHANGE = "TM_GRADE_24h_PCT_CHANGE"
_WORDS = {1: "Bullish", 0: "Neutral", -1: "Bearish"}
_WITH_SLUG = {"tm-grade", "fundamental-grade", "technology-grade", "trading-signals"}
_NOT_IN_SIGNALS = {"tm_link", "TM_TRADER_GRADE", "TM_INVESTOR_GRADE"}


def row(endpoint: str, given: Row, tokens: Mapping[int, Token], now: float) -> Row:
    """One v2 row under v3's names. The 24-hour change is spelled one way where it is latest, another in history."""
    change = "tm_grade_24h_pct_change" if endpoint.endswith("-history") else "tm_grade_24_h_pct_change"
    names = {**_RENAMED, _CHANGE: change}
    dropped = _NOT_IN_SIGNALS if endpoint == "trading-signals" else set()
    found = {names.get(name, name.lower()): value for name, value in given.items() if name not in dropped}
    token = tokens.get(given.get("TOKEN_ID", 0))
    if token is None or endpoint.removesuffix("-history") not in _WITH_SLUG:
        return found
    beside = _beside_signals(given, token, now) if endpoint == "trading-signals" else {}
    return {**found, "slug": token.slug, **beside}


def _beside_signals(given: Row, token: Token, now: float) -> Row:
    day = date.fromisoformat(given["DATE"][:10]).toordinal() - EPOCH_DAY
    time = figures.moment(day, DAY, now)
    return {
        "token_signal_str": _WORDS[given["TRADING_SIGNAL"]],
        "token_trend_str": _WORDS[given["TOKEN_TREND"]],
        "tm_grade": round(figures.grade(token, time, 1), 2),
        "fundamental_grade": round(figures.substance(token, time, 1), 2),
    }
