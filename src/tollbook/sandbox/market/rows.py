"""One function per endpoint that makes one row, in the seller's spelling, with its types and its gaps.

Each takes the token, the day or hour, and the moment at which its figures were taken.
"""

from __future__ import annotations

from typing import Any

from tollbook.sandbox.market import figures as f
from tollbook.sandbox.market.catalogue import Token
from tollbook.sandbox.market.noise import DAY, HOUR, unit

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


def _named(token: Token) -> Row:
    return {"TOKEN_ID": token.token_id, "TOKEN_NAME": token.name, "TOKEN_SYMBOL": token.symbol}


def _word(steps: tuple[tuple[float, str], ...], value: float) -> str:
    return next(word for least, word in steps if value >= least)


def _two(value: float) -> str:
    return f"{value:.2f}"


# -- reference ----------------------------------------------------------------------------------------


def tokens(token: Token, _time: float) -> Row:
    return {
        **_named(token),
        "EXCHANGE_LIST": [{"exchange_id": key, "exchange_name": name} for key, name in token.exchanges],
        "CATEGORY_LIST": [{"category_id": key, "category_name": name} for key, name in token.categories],
        "TM_LINK": token.link,
    }


def price(token: Token, time: float) -> Row:
    return {**_named(token), "CURRENT_PRICE": round(f.price(token, time), 6)}


# -- grades -------------------------------------------------------------------------------------------


def tm_grade(token: Token, time: float) -> Row:
    """The newer generation of the row: numbers as strings, no DATE, one name in mixed case."""
    now, before = f.grade(token, time, 1), f.grade(token, time - DAY, 1)
    moved = f.change(now, before)
    return {
        **_named(token),
        "TM_GRADE": _two(now),
        "TM_GRADE_24h_PCT_CHANGE": _two(moved),
        "TM_TRADER_GRADE_24H_CHANGE": _two(f.grade(token, time, 2) - f.grade(token, time - DAY, 2)),
        "QUANT_GRADE": _two(f.grade(token, time, 4)),
        "TM_GRADE_SIGNAL": _word(_SIGNALS, now),
        "MOMENTUM": _word(_MOMENTUM, moved),
    }


def tm_grade_older(token: Token, time: float) -> Row:
    """The older generation: fundamental fields where QUANT_GRADE is now."""
    row = tm_grade(token, time)
    fundamental = f.slow_grade(token, time, 1)
    del row["QUANT_GRADE"]
    return row | {"FUNDAMENTAL_GRADE": _two(fundamental), "FUNDAMENTAL_GRADE_CLASS": _class(fundamental)}


def _class(grade: float) -> str:
    return _CLASSES[min(4, int(grade // 20))]


def tm_grade_history(token: Token, day: int, time: float) -> Row:
    return tm_grade_older(token, time) | {"DATE": f.day_stamp(day)}


# -- signals ------------------------------------------------------------------------------------------


def trading_signals(token: Token, day: int, time: float) -> Row:
    """Both tm_link and TM_LINK, as observed."""
    return {
        **_named(token),
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
        **_named(token),
        "CLOSE": round(f.price(token, time), 6),
        "SIGNAL": str(signal),
        "POSITION": {1: "LONG", 0: "FLAT", -1: "SHORT"}[signal],
    }
