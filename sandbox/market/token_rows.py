"""Rows of a token: one function per endpoint, with the seller's spelling, types and gaps (documented or observed).

Each takes the token, its slot (a day or an hour) and the time of its figures. `as_v3` respells a row for the v3 API.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.market import tokens
from sandbox.market.tokens import DAY, EPOCH_DAY, HOUR, MarketToken, unit

Row = dict[str, Any]

_CLASSES = ("highRisk", "speculative", "emerging", "blueChip", "storeOfValue")
_SIGNALS = ((80.0, "Strong Buy"), (60.0, "Buy"), (40.0, "Neutral"), (20.0, "Sell"), (-1.0, "Strong Sell"))
_MOMENTUM = (
    (8.0, "Momentum Surging"),
    (2.0, "Gaining Momentum"),
    (-2.0, "Holding Steady"),
    (-8.0, "Losing Momentum"),
    (-1e9, "Momentum Crashing"),
)


def named(token: MarketToken) -> Row:
    return {"TOKEN_ID": token.token_id, "TOKEN_NAME": token.name, "TOKEN_SYMBOL": token.symbol}


def dated(token: MarketToken, day: int) -> Row:
    return {**named(token), "DATE": tokens.day_stamp(day)}


def _word(steps: tuple[tuple[float, str], ...], value: float) -> str:
    return next(word for least, word in steps if value >= least)


def _two(value: float) -> str:
    return f"{value:.2f}"


def _class(grade: float) -> str:
    return _CLASSES[min(4, int(grade // 20))]


def token_entry(token: MarketToken, _slot: int, _time: float) -> Row:
    return {
        **named(token),
        "EXCHANGE_LIST": [{"exchange_id": key, "exchange_name": name} for key, name in token.exchanges],
        "CATEGORY_LIST": [{"category_id": key, "category_name": name} for key, name in token.categories],
        "TM_LINK": token.link,
    }


def latest_price(token: MarketToken, _slot: int, time: float) -> Row:
    return {**named(token), "CURRENT_PRICE": round(tokens.price(token, time), 6)}


def tm_grade(token: MarketToken, _slot: int, time: float) -> Row:
    """The newer generation of the row: numbers as strings, no DATE, one name in mixed case."""
    now, before = tokens.grade(token, time, 1), tokens.grade(token, time - DAY, 1)
    moved = tokens.change(now, before)
    return {
        **named(token),
        "TM_GRADE": _two(now),
        "TM_GRADE_24h_PCT_CHANGE": _two(moved),
        "TM_TRADER_GRADE_24H_CHANGE": _two(tokens.grade(token, time, 2) - tokens.grade(token, time - DAY, 2)),
        "QUANT_GRADE": _two(tokens.grade(token, time, 4)),
        "TM_GRADE_SIGNAL": _word(_SIGNALS, now),
        "MOMENTUM": _word(_MOMENTUM, moved),
    }


def tm_grade_older(token: MarketToken, slot: int, time: float) -> Row:
    """The older generation: fundamental fields where QUANT_GRADE is now."""
    row = tm_grade(token, slot, time)
    fundamental = tokens.substance(token, time, 1)
    del row["QUANT_GRADE"]
    return row | {"FUNDAMENTAL_GRADE": _two(fundamental), "FUNDAMENTAL_GRADE_CLASS": _class(fundamental)}


def tm_grade_history(token: MarketToken, day: int, time: float) -> Row:
    return tm_grade_older(token, day, time) | {"DATE": tokens.day_stamp(day)}


def fundamental_grade(token: MarketToken, _slot: int, time: float) -> Row:
    grade = tokens.substance(token, time, 1)
    return {
        **named(token),
        "FUNDAMENTAL_GRADE": _two(grade),
        "FUNDAMENTAL_GRADE_CLASS": _class(grade),
        **_market_scores(token, time),
    }


def _market_scores(token: MarketToken, time: float) -> Row:
    return {
        "COMMUNITY_SCORE": round(tokens.substance(token, time, 3), 1),
        "EXCHANGE_SCORE": 100 if token.rank <= 20 else round(tokens.substance(token, time, 4), 1),
        "VC_SCORE": tokens.score(token, time, 5),
        "TOKENOMICS_SCORE": round(tokens.substance(token, time, 6), 1),
        "DEFI_SCANNER_SCORE": tokens.score(token, time, 7),
    }


def _code_scores(token: MarketToken, time: float) -> Row:
    return {
        "ACTIVITY_SCORE": round(tokens.substance(token, time, 8), 1),
        "SECURITY_SCORE": tokens.score(token, time, 9),
        "REPOSITORY_SCORE": round(tokens.substance(token, time, 10), 1),
        "COLLABORATION_SCORE": round(tokens.substance(token, time, 11), 1),
    }


def fundamental_grade_history(token: MarketToken, day: int, time: float) -> Row:
    return fundamental_grade(token, day, time) | {"DATE": tokens.day_stamp(day)}


def technology_grade(token: MarketToken, day: int, time: float) -> Row:
    return {
        **dated(token, day),
        "TECHNOLOGY_GRADE": round(tokens.substance(token, time, 2), 1),
        **_code_scores(token, time),
        "DEFI_SCANNER_SCORE": tokens.score(token, time, 7),
    }


def trader_grades(token: MarketToken, day: int, time: float) -> Row:
    now, before = tokens.grade(token, time, 2), tokens.grade(token, time - DAY, 2)
    return {
        **dated(token, day),
        "TA_GRADE": round(tokens.grade(token, time, 5), 2),
        "QUANT_GRADE": round(tokens.grade(token, time, 4), 2),
        "TM_TRADER_GRADE": round(now, 2),
        "TM_TRADER_GRADE_24H_PCT_CHANGE": round(tokens.change(now, before), 2),
    }


def investor_grades(token: MarketToken, day: int, time: float) -> Row:
    now, before = tokens.grade(token, time, 3), tokens.grade(token, time - 7 * DAY, 3)
    return {
        **dated(token, day),
        "TM_INVESTOR_GRADE": round(now, 2),
        "TM_INVESTOR_GRADE_7D_PCT_CHANGE": round(tokens.change(now, before), 2),
        "FUNDAMENTAL_GRADE": round(tokens.substance(token, time, 1), 2),
        "TECHNOLOGY_GRADE": round(tokens.substance(token, time, 2), 1),
        "VALUATION_GRADE": round(tokens.substance(token, time, 12), 1),
        "DEFI_USAGE_SCORE": tokens.score(token, time, 13),
        **_market_scores(token, time),
        **_code_scores(token, time),
    }


def trading_signals(token: MarketToken, day: int, time: float) -> Row:
    """Both tm_link and TM_LINK, as observed."""
    return {
        **dated(token, day),
        "TRADING_SIGNAL": tokens.signal(token, time),
        "TOKEN_TREND": tokens.trend(token, time),
        "TRADING_SIGNALS_RETURNS": round(tokens.signal_return(token, time), 4),
        "HOLDING_RETURNS": round(tokens.holding_return(token, time), 4),
        "tm_link": token.slug,
        "TM_TRADER_GRADE": round(tokens.grade(token, time, 2), 2),
        "TM_INVESTOR_GRADE": round(tokens.grade(token, time, 3), 2),
        "TM_LINK": token.link,
    }


def hourly_trading_signals(token: MarketToken, hour: int, time: float) -> Row:
    """SIGNAL is a string here."""
    signal = tokens.trend(token, time) if unit(token.state + 17, hour) < 0.85 else 0
    return {
        "TIMESTAMP": tokens.stamp(hour * HOUR),
        **named(token),
        "CLOSE": round(tokens.price(token, time), 6),
        "SIGNAL": str(signal),
        "POSITION": {1: "LONG", 0: "FLAT", -1: "SHORT"}[signal],
    }


def hourly_ohlcv(token: MarketToken, hour: int, time: float) -> Row:
    return {**named(token), "TIMESTAMP": tokens.stamp(hour * HOUR), **_bar(token, hour * HOUR, time)}


def daily_ohlcv(token: MarketToken, day: int, time: float) -> Row:
    return {**dated(token, day), **_bar(token, day * DAY, time)}


def _bar(token: MarketToken, start: float, end: float) -> Row:
    """One bar's OPEN is the CLOSE of the bar before."""
    first, last = tokens.price(token, start), tokens.price(token, end)
    wick = 1.0 + 0.01 * unit(token.state + 19, int(start // HOUR))
    return {
        "OPEN": round(first, 6),
        "HIGH": round(max(first, last) * wick, 6),
        "LOW": round(min(first, last) / wick, 6),
        "CLOSE": round(last, 6),
        "VOLUME": round(tokens.volume(token, start) * (end - start) / DAY, 2),
    }


_WORDS = {1: "Bullish", 0: "Neutral", -1: "Bearish"}
_WITH_SLUG = {"tm-grade", "fundamental-grade", "technology-grade", "trading-signals"}
_NOT_IN_SIGNALS = {"tm_link", "TM_TRADER_GRADE", "TM_INVESTOR_GRADE"}


def as_v3(endpoint: str, given: Row, tokens: Mapping[int, MarketToken], now: float) -> Row:
    """One v2 row under v3's names. The 24-hour change is spelled one way where it is latest, another in history."""
    change = "tm_grade_24h_pct_change" if endpoint.endswith("-history") else "tm_grade_24_h_pct_change"
    names = {"TM_LINK": "app_link", "TM_GRADE_24h_PCT_CHANGE": change}
    dropped = _NOT_IN_SIGNALS if endpoint == "trading-signals" else set()
    respelled = {names.get(name, name.lower()): value for name, value in given.items() if name not in dropped}
    token = tokens.get(given.get("TOKEN_ID", 0))
    if token is None or endpoint.removesuffix("-history") not in _WITH_SLUG:
        return respelled
    beside = _beside_signals(given, token, now) if endpoint == "trading-signals" else {}
    return {**respelled, "slug": token.slug, **beside}


def _beside_signals(given: Row, token: MarketToken, now: float) -> Row:
    day = date.fromisoformat(given["DATE"][:10]).toordinal() - EPOCH_DAY
    time = tokens.moment(day, DAY, now)
    return {
        "token_signal_str": _WORDS[given["TRADING_SIGNAL"]],
        "token_trend_str": _WORDS[given["TOKEN_TREND"]],
        "tm_grade": round(tokens.grade(token, time, 1), 2),
        "fundamental_grade": round(tokens.substance(token, time, 1), 2),
    }
