"""Rows of what is dated or graded per token: one function per endpoint, with the seller's spelling, types and gaps.

Each takes the token, its slot (a day or an hour) and the moment at which its figures were taken.
"""

from __future__ import annotations

from typing import Any

from sandbox.market import figures as f
from sandbox.market.catalogue import Token
from sandbox.market.noise import DAY, HOUR, unit

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


def named(token: Token) -> Row:
    return {"TOKEN_ID": token.token_id, "TOKEN_NAME": token.name, "TOKEN_SYMBOL": token.symbol}


def _word(steps: tuple[tuple[float, str], ...], value: float) -> str:
    return next(word for least, word in steps if value >= least)


def _two(value: float) -> str:
    return f"{value:.2f}"


def _class(grade: float) -> str:
    return _CLASSES[min(4, int(grade // 20))]


# -- free ---------------------------------------------------------------------------------------------


def tokens(token: Token, _slot: int, _time: float) -> Row:
    return {
        **named(token),
        "EXCHANGE_LIST": [{"exchange_id": key, "exchange_name": name} for key, name in token.exchanges],
        "CATEGORY_LIST": [{"category_id": key, "category_name": name} for key, name in token.categories],
        "TM_LINK": token.link,
    }


def price(token: Token, _slot: int, time: float) -> Row:
    return {**named(token), "CURRENT_PRICE": round(f.price(token, time), 6)}


# -- grades -------------------------------------------------------------------------------------------


def tm_grade(token: Token, _slot: int, time: float) -> Row:
    """The newer generation of the row: numbers as strings, no DATE, one name in mixed case."""
    now, before = f.grade(token, time, 1), f.grade(token, time - DAY, 1)
    moved = f.change(now, before)
    return {
        **named(token),
        "TM_GRADE": _two(now),
        "TM_GRADE_24h_PCT_CHANGE": _two(moved),
        "TM_TRADER_GRADE_24H_CHANGE": _two(f.grade(token, time, 2) - f.grade(token, time - DAY, 2)),
        "QUANT_GRADE": _two(f.grade(token, time, 4)),
        "TM_GRADE_SIGNAL": _word(_SIGNALS, now),
        "MOMENTUM": _word(_MOMENTUM, moved),
    }


def tm_grade_older(token: Token, slot: int, time: float) -> Row:
    """The older generation: fundamental fields where QUANT_GRADE is now."""
    row = tm_grade(token, slot, time)
    fundamental = f.substance(token, time, 1)
    del row["QUANT_GRADE"]
    return row | {"FUNDAMENTAL_GRADE": _two(fundamental), "FUNDAMENTAL_GRADE_CLASS": _class(fundamental)}


def tm_grade_history(token: Token, day: int, time: float) -> Row:
    return tm_grade_older(token, day, time) | {"DATE": f.day_stamp(day)}


def fundamental_grade(token: Token, _slot: int, time: float) -> Row:
    grade = f.substance(token, time, 1)
    return {
        **named(token),
        "FUNDAMENTAL_GRADE": _two(grade),
        "FUNDAMENTAL_GRADE_CLASS": _class(grade),
        "COMMUNITY_SCORE": round(f.substance(token, time, 3), 1),
        "EXCHANGE_SCORE": 100 if token.rank <= 20 else round(f.substance(token, time, 4), 1),
        "VC_SCORE": f.score(token, time, 5),
        "TOKENOMICS_SCORE": round(f.substance(token, time, 6), 1),
        "DEFI_SCANNER_SCORE": f.score(token, time, 7),
    }


def fundamental_grade_history(token: Token, day: int, time: float) -> Row:
    return fundamental_grade(token, day, time) | {"DATE": f.day_stamp(day)}


def technology_grade(token: Token, day: int, time: float) -> Row:
    return {
        **named(token),
        "DATE": f.day_stamp(day),
        "TECHNOLOGY_GRADE": round(f.substance(token, time, 2), 1),
        "ACTIVITY_SCORE": round(f.substance(token, time, 8), 1),
        "SECURITY_SCORE": f.score(token, time, 9),
        "REPOSITORY_SCORE": round(f.substance(token, time, 10), 1),
        "COLLABORATION_SCORE": round(f.substance(token, time, 11), 1),
        "DEFI_SCANNER_SCORE": f.score(token, time, 7),
    }


def trader_grades(token: Token, day: int, time: float) -> Row:
    now, before = f.grade(token, time, 2), f.grade(token, time - DAY, 2)
    return {
        **named(token),
        "DATE": f.day_stamp(day),
        "TA_GRADE": round(f.grade(token, time, 5), 2),
        "QUANT_GRADE": round(f.grade(token, time, 4), 2),
        "TM_TRADER_GRADE": round(now, 2),
        "TM_TRADER_GRADE_24H_PCT_CHANGE": round(f.change(now, before), 2),
    }


def investor_grades(token: Token, day: int, time: float) -> Row:
    now, before = f.grade(token, time, 3), f.grade(token, time - 7 * DAY, 3)
    return {
        **named(token),
        "DATE": f.day_stamp(day),
        "TM_INVESTOR_GRADE": round(now, 2),
        "TM_INVESTOR_GRADE_7D_PCT_CHANGE": round(f.change(now, before), 2),
        "FUNDAMENTAL_GRADE": round(f.substance(token, time, 1), 2),
        "TECHNOLOGY_GRADE": round(f.substance(token, time, 2), 1),
        "VALUATION_GRADE": round(f.substance(token, time, 12), 1),
        "DEFI_USAGE_SCORE": f.score(token, time, 13),
        "COMMUNITY_SCORE": round(f.substance(token, time, 3), 1),
        "EXCHANGE_SCORE": 100.0 if token.rank <= 20 else round(f.substance(token, time, 4), 1),
        "VC_SCORE": f.score(token, time, 5),
        "TOKENOMICS_SCORE": round(f.substance(token, time, 6), 1),
        "DEFI_SCANNER_SCORE": f.score(token, time, 7),
        "ACTIVITY_SCORE": round(f.substance(token, time, 8), 1),
        "SECURITY_SCORE": f.score(token, time, 9),
        "REPOSITORY_SCORE": round(f.substance(token, time, 10), 1),
        "COLLABORATION_SCORE": round(f.substance(token, time, 11), 1),
    }


# -- signals and prices -------------------------------------------------------------------------------


def trading_signals(token: Token, day: int, time: float) -> Row:
    """Both tm_link and TM_LINK, as observed."""
    return {
        **named(token),
        "DATE": f.day_stamp(day),
        "TRADING_SIGNAL": f.signal(token, time),
        "TOKEN_TREND": f.trend(token, time),
        "TRADING_SIGNALS_RETURNS": round(f.signal_return(token, time), 4),
        "HOLDING_RETURNS": round(f.holding_return(token, time), 4),
        "tm_link": token.slug,
        "TM_TRADER_GRADE": round(f.grade(token, time, 2), 2),
        "TM_INVESTOR_GRADE": round(f.grade(token, time, 3), 2),
        "TM_LINK": token.link,
    }


def hourly_trading_signals(token: Token, hour: int, time: float) -> Row:
    """SIGNAL is a string here."""
    signal = f.trend(token, time) if unit(token.state + 17, hour) < 0.85 else 0
    return {
        "TIMESTAMP": f.stamp(hour * HOUR),
        **named(token),
        "CLOSE": round(f.price(token, time), 6),
        "SIGNAL": str(signal),
        "POSITION": {1: "LONG", 0: "FLAT", -1: "SHORT"}[signal],
    }


def hourly_ohlcv(token: Token, hour: int, time: float) -> Row:
    return {**named(token), "TIMESTAMP": f.stamp(hour * HOUR), **_bar(token, hour * HOUR, time)}


def daily_ohlcv(token: Token, day: int, time: float) -> Row:
    return {**named(token), "DATE": f.day_stamp(day), **_bar(token, day * DAY, time)}


def _bar(token: Token, start: float, end: float) -> Row:
    """One bar's OPEN is the CLOSE of the bar before."""
    first, last = f.price(token, start), f.price(token, end)
    wick = 1.0 + 0.01 * unit(token.state + 19, int(start // HOUR))
    return {
        "OPEN": round(first, 6),
        "HIGH": round(max(first, last) * wick, 6),
        "LOW": round(min(first, last) / wick, 6),
        "CLOSE": round(last, 6),
        "VOLUME": round(f.volume(token, start) * (end - start) / DAY, 2),
    }
