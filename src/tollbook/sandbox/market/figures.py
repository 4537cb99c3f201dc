"""Every figure of a token at a moment, each from its own stream. Times are unix seconds, days are days since 1970."""

from __future__ import annotations

import math
from datetime import date

from tollbook.sandbox.market.catalogue import EPOCH_DAY, Token
from tollbook.sandbox.market.noise import DAY, HOUR, octaves, unit

_PRICE = ((120 * DAY, 0.7), (30 * DAY, 0.25), (6 * DAY, 0.10), (DAY, 0.03), (6 * HOUR, 0.012), (HOUR, 0.005))
_TREND = ((120 * DAY, 0.7), (30 * DAY, 0.25))
_GRADE = ((40 * DAY, 32.0), (7 * DAY, 12.0), (DAY, 3.0))
_SLOW = ((200 * DAY, 18.0), (30 * DAY, 6.0))
MOVES_EVERY = 600
"""The newest day's figures move once in so many seconds."""


def moment(day: int, now: float) -> float:
    """When a day's figures were taken: at its end, or a little before now while it lasts."""
    return min((day + 1) * DAY, now // MOVES_EVERY * MOVES_EVERY)


def price(token: Token, time: float) -> float:
    return token.base_price * math.exp(octaves(token.state, time, _PRICE))


def market_cap(token: Token, time: float) -> float:
    return price(token, time) * token.supply


def volume(token: Token, time: float) -> float:
    return market_cap(token, time) * (0.02 + 0.05 * unit(token.state + 11, int(time // DAY)))


def grade(token: Token, time: float, which: int) -> float:
    """A fast-moving grade from 0 to 100 (which: 1 tm, 2 trader, 3 investor, 4 quant, 5 technical)."""
    return min(99.9, max(0.1, 50.0 + octaves(token.state + 101 * which, time, _GRADE)))


def slow_grade(token: Token, time: float, which: int) -> float:
    """A grade of a token's substance: fundamental, technology and their parts."""
    middle = 35.0 + 55.0 * unit(token.state, 60 + which)
    return min(100.0, max(0.0, middle + octaves(token.state + 307 * which, time // DAY * DAY, _SLOW)))


def change(now: float, before: float) -> float:
    return (now / before - 1.0) * 100.0 if before else 0.0


def trend(token: Token, time: float) -> int:
    """1 while the price is above its slow curve, else -1."""
    return 1 if octaves(token.state, time, _PRICE) >= octaves(token.state, time, _TREND) else -1


def signal(token: Token, time: float) -> int:
    """1, 0 or -1: the trend, unless the trader grade says to stay out."""
    strength = grade(token, time, 2)
    return 0 if 45.0 < strength < 55.0 else trend(token, time)


def holding_return(token: Token, time: float) -> float:
    return change(price(token, time), price(token, token.listed * DAY))


def signal_return(token: Token, time: float) -> float:
    years = (time - token.listed * DAY) / (365 * DAY)
    return holding_return(token, time) + 40.0 * years * (1.0 + octaves(token.state + 13, time, ((60 * DAY, 0.5),)))


def stamp(seconds: float) -> str:
    """An ISO time as the seller writes it. Only whole hours and minutes occur."""
    day, rest = divmod(int(seconds), DAY)
    hour, rest = divmod(rest, HOUR)
    minute, second = divmod(rest, 60)
    return f"{date.fromordinal(day + EPOCH_DAY).isoformat()}T{hour:02}:{minute:02}:{second:02}.000Z"


def day_stamp(day: int) -> str:
    return f"{date.fromordinal(day + EPOCH_DAY).isoformat()}T00:00:00.000Z"
