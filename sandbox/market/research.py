"""Rows of research about single tokens, and the list of moonshot picks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sandbox.market import tokens
from sandbox.market.token_rows import Row, dated, named
from sandbox.market.tokens import DAY, HISTORY_START, HOUR, MarketToken, stream, unit

_SCENARIOS = ("4T", "8T", "16T")


def quantmetrics(token: MarketToken, day: int, time: float) -> Row:
    risk, luck = 0.3 + unit(token.state, 40), unit(token.state, 41)
    growth = tokens.price(token, time) / tokens.price(token, token.listed * DAY) - 1.0
    mean = tokens.change(tokens.price(token, time), tokens.price(token, time - 90 * DAY)) / 9000.0
    return {
        **dated(token, day),
        "VOLATILITY": round(risk, 4),
        "ALL_TIME_RETURN": round(growth, 4),
        "CAGR": round(growth / max((day - token.listed) / 365.0, 0.1), 4),
        "SHARPE": round(mean * 19.0 / (risk / 19.0) / 19.0, 4),
        "SORTINO": round(mean * 27.0 / (risk / 19.0) / 19.0, 4),
        "MAX_DRAWDOWN": round(-0.35 - 0.6 * luck, 4),
        "SKEW": round(luck - 0.5, 4),
        "TAIL_RATIO": round(0.9 + 0.3 * luck, 4),
        "RISK_REWARD_RATIO": round(0.8 + 0.5 * luck, 4),
        "PROFIT_FACTOR": round(0.9 + 0.5 * luck, 4),
        "KURTOSIS": round(3.0 + 6.0 * luck, 4),
        "DAILY_VALUE_AT_RISK": round(-risk / 10.0, 4),
        "DAILY_RETURN_AVG": round(mean, 6),
        "DAILY_RETURN_STD": round(risk / 19.0, 6),
    }


def resistance_support(token: MarketToken, day: int, time: float) -> Row:
    today = tokens.price(token, time)
    levels = [
        {"date": tokens.plain_date(day - back), "level": round(tokens.price(token, (day - back) * DAY), 6)}
        for back in (12, 45, 80, 130)
        if today
    ]
    return {**dated(token, day), "HISTORICAL_RESISTANCE_SUPPORT_LEVELS": levels}


def correlation(token: MarketToken, day: int, _time: float) -> Row:
    """The names are fixed; only the figures depend on the token."""
    others = [symbol for symbol in ("BTC", "ETH", "SOL", "XRP", "LTC") if symbol != token.symbol]
    figures = {symbol: round(unit(token.state + 23, at), 2) for at, symbol in enumerate(others)}
    order = sorted(others, key=lambda symbol: -figures[symbol])
    return {**dated(token, day), "TOP_CORRELATION": [{"token": s, "correlation": figures[s]} for s in order]}


def scenario_analysis(token: MarketToken, day: int, time: float) -> Row:
    factors = (("bear", 0.7), ("base", 1.1), ("moon", 1.6))
    today = tokens.price(token, time)
    return {
        **dated(token, day),
        "SCENARIO_ANALYSIS": [{"scenario": name, "value": round(today * factor, 6)} for name, factor in factors],
    }


def price_prediction(token: MarketToken, day: int, time: float) -> Row:
    """A nested object, not a list."""
    today, cap = tokens.price(token, time), tokens.market_cap(token, time)
    predicted = []
    for index, name in enumerate(_SCENARIOS):
        base = 1.1 + 0.5 * index
        entry: Row = {"scenario": name, "total_mcap_scenario": 4_000_000_000_000 << index}
        for label, factor in (("base", base), ("bear", base * 0.8), ("moon", base * 1.25)):
            entry[f"predicted_price_{label}"] = round(today * factor, 6)
            entry[f"predicted_roi_{label}"] = round((factor - 1.0) * 100.0, 1)
            entry[f"predicted_mcap_{label}"] = int(cap * factor)
        predicted.append(entry)
    return {
        **dated(token, day),
        "PRICE_PREDICTION": {
            "token_mcap": int(cap),
            "category_name": token.categories[0][1],
            "current_price": round(today, 6),
            "predicted_date": tokens.plain_date(day + 365),
            "similar_tokens_info": [],
            "avg_past_performance": None,
            "price_prediction": predicted,
        },
    }


def ai_reports(token: MarketToken, _slot: int, time: float) -> Row:
    """No DATE; long texts with headings and line breaks. They change with the week."""
    week = int(time // (7 * DAY))
    mood = "constructive" if unit(token.state + 29, week) > 0.5 else "cautious"
    body = f'## {token.name}\n\nThe outlook is {mood}; "{token.symbol}" trades with the market.\n\n' * 6
    return {
        **named(token),
        "INVESTMENT_ANALYSIS_POINTER": f"{token.name}: {mood}.",
        "INVESTMENT_ANALYSIS": body,
        "DEEP_DIVE": body + "### Risks\n\nLiquidity.\n",
        "CODE_REVIEW": f"### Repositories\n\n{token.slug}: reviewed in week {week}.\n",
    }


_EVERY = 12 * HOUR
FIRST_PICK = (HISTORY_START + 1461) * DAY


@dataclass(frozen=True, slots=True)
class Pick:
    token: MarketToken
    opened: int
    closed: int

    @property
    def key_id(self) -> int:
        return self.token.token_id


class PickHistory:
    """All picks by one rule: in each half day one token may be picked, for 3 to 40 days."""

    def __init__(self, seed: int, tokens: Sequence[MarketToken]) -> None:
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
        """Closed picks, the last closed first."""
        return sorted((pick for pick in self.until(now) if pick.closed <= now), key=lambda p: (-p.closed, -p.opened))


def pick_row(pick: Pick, now: float) -> dict[str, Any]:
    """Numbers as strings except the ROI, no TOKEN_ID, END_AT null while open (documented)."""
    token, time = pick.token, min(tokens.floored(now), pick.closed)
    grade, before = tokens.grade(token, time, 2), tokens.grade(token, time - DAY, 2)
    price = tokens.price(token, time)
    return {
        "TOKEN_NAME": token.name,
        "TOKEN_SYMBOL": token.symbol,
        "LAST_TRADING_SIGNAL_TIME": tokens.day_stamp(int(time // DAY)),
        "TM_TRADER_GRADE": f"{grade:.2f}",
        "TM_TRADER_GRADE_24H_PCT_CHANGE": f"{tokens.change(grade, before):.2f}",
        "PRICE_CHANGE_PERCENTAGE_7D_IN_CURRENCY": f"{tokens.change(price, tokens.price(token, time - 7 * DAY)):.2f}",
        "MARKET_CAP": str(int(price * token.supply)),
        "VOLUME_24H": str(int(tokens.volume(token, time))),
        "MOONSHOT_AT": tokens.stamp(pick.opened),
        "MOONSHOT_END_AT": None if pick.closed > now else tokens.stamp(pick.closed),
        "MOONSHOT_ROI": round(tokens.change(price, tokens.price(token, pick.opened)), 2),
    }
