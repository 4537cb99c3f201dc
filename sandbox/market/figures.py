"""Every figure of a token at a moment, each from its own stream. Times are unix seconds, days are days since 1970."""

from __future__ import annotations

import math
from datetime import date
from functools import lru_cache

from sandbox.market.catalogue import EPOCH_DAY, Token
from sandbox.market.noise import DAY, HOUR, octaves, unit

_SLOW_PRICE = ((120 * DAY, 0.7), (30 * DAY, 0.25))
_FAST_PRICE = ((6 * DAY, 0.10), (DAY, 0.03), (2 * HOUR, 0.008))
_GRADE = ((30 * DAY, 32.0), (4 * DAY, 12.0))
_SUBSTANCE = ((200 * DAY, 18.0), (30 * DAY, 6.0))
MOVES_EVERY = 600
"""The newest day's figures move once in so many seconds."""


def floored(now: float) -> float:
    return now // MOVES_EVERY * MOVES_EVERY


def moment(slot: int, grain: int, now: float) -> float:
    """When a slot's figures were taken: at its end, or a little before now while it lasts."""
    return min((slot + 1) * grain, floored(now))


@lru_cache(maxsize=1 << 17)
def _curves(state: int, time: float) -> tuple[float, float]:
    """The slow and the fast part of the logarithm of a price."""
    return octaves(state, time, _SLOW_PRICE), octaves(state, time, _FAST_PRICE)


def price(token: Token, time: float) -> float:
    slow, fast = _curves(token.state, time)
    return token.base_price * math.exp(slow + fast)


def trend(token: Token, time: float) -> int:
    """1 while the price is above its slow curve, else -1."""
    return 1 if _curves(token.state, time)[1] >= 0.0 else -1


def market_cap(token: Token, time: float) -> float:
    return price(token, time) * token.supply


def volume(token: Token, time: float) -> float:
    return market_cap(token, time) * (0.02 + 0.05 * unit(token.state + 11, int(time // DAY)))


@lru_cache(maxsize=1 << 17)
def _grade(state: int, time: float) -> float:
    return min(99.9, max(0.1, 50.0 + octaves(state, time, _GRADE)))


def grade(token: Token, time: float, which: int) -> float:
    """A fast-moving grade from 0 to 100 (which: 1 tm, 2 trader, 3 investor, 4 quant, 5 technical)."""
    return _grade(token.state + 101 * which, time)


@lru_cache(maxsize=1 << 17)
def _substance(state: int, day: int, which: int) -> float:
    middle = 35.0 + 55.0 * unit(state, 60 + which)
    return min(100.0, max(0.0, middle + octaves(state + 307 * which, day * DAY, _SUBSTANCE)))


def substance(token: Token, time: float, which: int) -> float:
    """A slow grade, of what a token is: fundamental, technology and their parts. Changes once a day."""
    return _substance(token.state, int(time // DAY), which)


def score(token: Token, time: float, which: int) -> float | None:
    """A part of a grade; some tokens have none of it."""
    return None if unit(token.state, 90 + which) < 0.25 else round(substance(token, time, which), 1)


def change(now: float, before: float) -> float:
    return (now / before - 1.0) * 100.0 if before else 0.0


def signal(token: Token, time: float) -> int:
    """1, 0 or -1: the trend, unless the trader grade says to stay out."""
    return 0 if 45.0 < grade(token, time, 2) < 55.0 else trend(token, time)


def holding_return(token: Token, time: float) -> float:
    return change(price(token, time), price(token, token.listed * DAY))


def signal_return(token: Token, time: float) -> float:
    years = (time - token.listed * DAY) / (365 * DAY)
    return holding_return(token, time) + 40.0 * years * (1.0 + octaves(token.state + 13, time, ((60 * DAY, 0.5),)))


@lru_cache(maxsize=1 << 12)
def _date(day: int) -> str:
    return date.fromordinal(day + EPOCH_DAY).isoformat()


def stamp(seconds: float) -> str:
    """An ISO time as the seller writes it."""
    day, rest = divmod(int(seconds), DAY)
    hour, rest = divmod(rest, HOUR)
    minute, second = divmod(rest, 60)
    return f"{_date(day)}T{hour:02}:{minute:02}:{second:02}.000Z"


def day_stamp(day: int) -> str:
    return f"{_date(day)}T00:00:00.000Z"


def plain_date(day: int) -> str:
    return _date(day)
