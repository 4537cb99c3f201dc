"""Moonshot picks: a list that grows at the top several times a day; open picks move, closed ones stay as they ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sandbox.market import figures as f
from sandbox.market.catalogue import HISTORY_START, Token
from sandbox.market.noise import DAY, HOUR, stream, unit

_EVERY = 12 * HOUR
FIRST_PICK = (HISTORY_START + 1461) * DAY


@dataclass(frozen=True, slots=True)
class Pick:
    token: Token
    opened: int
    closed: int

    @property
    def key_id(self) -> int:
        return self.token.token_id


class Picks:
    """All picks up to a time, from one rule: in each half day one token may be picked, for 3 to 40 days."""

    def __init__(self, seed: int, tokens: Sequence[Token]) -> None:
        self._state = stream(seed, "moonshots")
        self._tokens = [token for token in tokens if token.rank > 12]
        self._at = lru_cache(maxsize=None)(self._pick)

    def _pick(self, slot: int) -> Pick | None:
        if unit(self._state, slot) > 0.55:
            return None
        token = self._tokens[int(unit(self._state + 1, slot) * len(self._tokens))]
        opened = slot * _EVERY + 60 * int(unit(self._state + 2, slot) * 600)
        closed = opened + 3 * DAY + 60 * int(unit(self._state + 3, slot) * 37 * 1440)
        return Pick(token, opened, closed) if token.listed * DAY <= opened else None

    def until(self, now: float) -> list[Pick]:
        slots = range(FIRST_PICK // _EVERY, int(now // _EVERY) + 1)
        return [pick for pick in map(self._at, slots) if pick is not None and pick.opened <= now]

    def active(self, now: float) -> list[Pick]:
        """Open picks, newest first."""
        return [pick for pick in reversed(self.until(now)) if pick.closed > now]

    def past(self, now: float) -> list[Pick]:
        """Closed picks, the one that closed last first."""
        return sorted((pick for pick in self.until(now) if pick.closed <= now), key=lambda p: (-p.closed, -p.opened))


def row(pick: Pick, now: float) -> dict[str, Any]:
    """Numbers as strings except the ROI, no TOKEN_ID, END_AT null while open (documented)."""
    token, time = pick.token, min(f.floored(now), pick.closed)
    grade, before = f.grade(token, time, 2), f.grade(token, time - DAY, 2)
    price = f.price(token, time)
    return {
        "TOKEN_NAME": token.name,
        "TOKEN_SYMBOL": token.symbol,
        "LAST_TRADING_SIGNAL_TIME": f.day_stamp(int(time // DAY)),
        "TM_TRADER_GRADE": f"{grade:.2f}",
        "TM_TRADER_GRADE_24H_PCT_CHANGE": f"{f.change(grade, before):.2f}",
        "PRICE_CHANGE_PERCENTAGE_7D_IN_CURRENCY": f"{f.change(price, f.price(token, time - 7 * DAY)):.2f}",
        "MARKET_CAP": str(int(price * token.supply)),
        "VOLUME_24H": str(int(f.volume(token, time))),
        "MOONSHOT_AT": f.stamp(pick.opened),
        "MOONSHOT_END_AT": None if pick.closed > now else f.stamp(pick.closed),
        "MOONSHOT_ROI": round(f.change(price, f.price(token, pick.opened)), 2),
    }
