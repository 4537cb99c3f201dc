"""Rows of what is said about a token today: figures, levels, predictions, texts."""

from __future__ import annotations

from typing import Any

from sandbox.market import figures as f
from sandbox.market.catalogue import Token
from sandbox.market.noise import DAY, unit
from sandbox.market.rows import Row, named

_SCENARIOS = ("4T", "8T", "16T")


def _dated(token: Token, day: int) -> Row:
    return {**named(token), "DATE": f.day_stamp(day)}


def quantmetrics(token: Token, day: int, time: float) -> Row:
    risk, luck = 0.3 + unit(token.state, 40), unit(token.state, 41)
    growth = f.price(token, time) / f.price(token, token.listed * DAY) - 1.0
    mean = f.change(f.price(token, time), f.price(token, time - 90 * DAY)) / 9000.0
    return {
        **_dated(token, day),
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


def resistance_support(token: Token, day: int, time: float) -> Row:
    today = f.price(token, time)
    levels = [
        {"date": f.plain_date(day - back), "level": round(f.price(token, (day - back) * DAY), 6)}
        for back in (12, 45, 80, 130)
        if today
    ]
    return {**_dated(token, day), "HISTORICAL_RESISTANCE_SUPPORT_LEVELS": levels}


def correlation(token: Token, day: int, _time: float) -> Row:
    """The names are fixed: what a token moves with is not worth a second catalogue here."""
    others = [symbol for symbol in ("BTC", "ETH", "SOL", "XRP", "LTC") if symbol != token.symbol]
    found = [{"token": one, "correlation": round(unit(token.state + 23, at), 2)} for at, one in enumerate(others)]
    return {**_dated(token, day), "TOP_CORRELATION": sorted(found, key=_by_correlation)}


def _by_correlation(entry: dict[str, Any]) -> float:
    return -float(entry["correlation"])


def scenario_analysis(token: Token, day: int, time: float) -> Row:
    factors = (("bear", 0.7), ("base", 1.1), ("moon", 1.6))
    today = f.price(token, time)
    return {
        **_dated(token, day),
        "SCENARIO_ANALYSIS": [{"scenario": name, "value": round(today * factor, 6)} for name, factor in factors],
    }


def price_prediction(token: Token, day: int, time: float) -> Row:
    """A nested object, not a list."""
    today, cap = f.price(token, time), f.market_cap(token, time)
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
        **_dated(token, day),
        "PRICE_PREDICTION": {
            "token_mcap": int(cap),
            "category_name": token.categories[0][1],
            "current_price": round(today, 6),
            "predicted_date": f.plain_date(day + 365),
            "similar_tokens_info": [],
            "avg_past_performance": None,
            "price_prediction": predicted,
        },
    }


def ai_reports(token: Token, _slot: int, time: float) -> Row:
    """No DATE; long texts with headings and line breaks. They change with the week."""
    week = int(time // (7 * DAY))
    mood = "constructive" if unit(token.state + 29, week) > 0.5 else "cautious"
    body = f'## {token.name}\n\nThe outlook is {mood}; "{token.symbol}" trades with the market.\n\n' * 6
    return {
        "TOKEN_ID": token.token_id,
        "TOKEN_SYMBOL": token.symbol,
        "TOKEN_NAME": token.name,
        "INVESTMENT_ANALYSIS_POINTER": f"{token.name}: {mood}.",
        "INVESTMENT_ANALYSIS": body,
        "DEEP_DIVE": body + "### Risks\n\nLiquidity.\n",
        "CODE_REVIEW": f"### Repositories\n\n{token.slug}: reviewed in week {week}.\n",
    }
