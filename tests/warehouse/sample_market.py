"""A small market bought over five days: signals, hourly signals, grades, prices and moonshots, with restatements.

It ends yesterday; moonshots are asked against now. Grades come at 06:15 but on the last day, when they are late;
signals at 08:00. Late on the third day, grades of the first are corrected; on the last, a signal of the day before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from payer.ledger import Ledger
from tests.warehouse.deliveries import DAY, body, grade, pieces
from tests.warehouse.purchases import buy, open_ledger
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = (NOW - 5 * DAY).replace(hour=0, minute=0, second=0)
DAYS = [FIRST + DAY * number for number in range(5)]
TOKENS = {3375: ("Bitcoin", "BTC"), 3306: ("Ethereum", "ETH"), 3988: ("Solana", "SOL")}
SIGNALS = {3375: (-1, -1, 0, 1, 1), 3306: (1, 1, 1, 0, 1), 3988: (0, 0, -1, -1, 1)}
"""As first told. That Ethereum was out on the fourth day is taken back on the fifth."""
GRADES = {
    3375: (40.0, 41.0, 42.0, 43.0, 44.0),
    3306: (60.0, 61.0, 62.0, 63.0, 64.0),
    3988: (80.0, 70.0, 60.0, 50.0, 45.0),
}
CORRECTED = {3375: 99.0, 3988: 10.0}
"""Grades of the first day, as told late on the third."""
CLOSES = {3375: (100.0, 110.0, 121.0, 120.0, 132.0), 3306: (10.0, 9.0, 8.0, 9.0, 10.0), 3988: (5.0, 5.0, 4.0, 4.0, 6.0)}


def build(home: Path) -> Path:
    """Buy all of it, load and publish."""
    with open_ledger(home) as ledger:
        for number, day in enumerate(DAYS):
            if number < 4:
                _grades(ledger, number, day + 6.25 * HOUR)
            _signals(ledger, number, day + 8 * HOUR)
        _corrections(ledger)
        _grades(ledger, 4, DAYS[4] + 9 * HOUR)
        _prices(ledger)
        _moonshots(ledger)
        _research(ledger)
        load(Cache(home), ledger)
        publish(home, ledger)
    return home


def _signals(ledger: Ledger, number: int, at: datetime) -> None:
    """A day's signals; with the last one's those of the day before again, of which one is another."""
    numbers = (number - 1, number) if number == 4 else (number,)
    rows = [signal(token, each) for each in numbers for token in TOKENS]
    for row in rows:
        if number == 4 and (row["TOKEN_ID"], row["DATE"]) == (3306, f"{DAYS[3]:%Y-%m-%d}"):
            row["TRADING_SIGNAL"] = 1
    _buy(ledger, "trading-signals", DAYS[numbers[0]], DAYS[number], at, *rows)


def signal(token: int, number: int) -> dict[str, Any]:
    """A row of trading-signals; following them brings one more a day, holding what the price does."""
    holding = CLOSES[token][number] / CLOSES[token][0] - 1
    return {
        **_named(token),
        "DATE": f"{DAYS[number]:%Y-%m-%d}",
        "TRADING_SIGNAL": SIGNALS[token][number],
        "TOKEN_TREND": 1,
        "TRADING_SIGNALS_RETURNS": float(number + token % 10),
        "HOLDING_RETURNS": holding,
    }


def _grades(ledger: Ledger, number: int, at: datetime) -> None:
    rows = [_grade(token, number, GRADES[token][number]) for token in TOKENS]
    _buy(ledger, "tm-grade", DAYS[number], DAYS[number], at, *rows, flow="grades")


def _grade(token: int, number: int, value: float) -> dict[str, Any]:
    before = GRADES[token][max(number - 1, 0)]
    return {**grade(token, DAYS[number], value), **_named(token), "TM_GRADE_24h_PCT_CHANGE": (value / before - 1) * 100}


def _corrections(ledger: Ledger) -> None:
    rows = [_grade(token, 0, value) for token, value in CORRECTED.items()]
    rows.append(_grade(3306, 0, GRADES[3306][0]))
    _buy(ledger, "tm-grade-history", DAYS[0], DAYS[0], DAYS[2] + 23.5 * HOUR, *rows, flow="grades")


def _prices(ledger: Ledger) -> None:
    """Every day's bar, then the last but one's corrected; and the hourly signals of the last day."""
    at = DAYS[4] + 10 * HOUR
    _buy(ledger, "daily-ohlcv", DAYS[0], DAYS[4], at, *(bar(token, n) for token in TOKENS for n in range(5)))
    _buy(
        ledger,
        "daily-ohlcv",
        DAYS[3],
        DAYS[3],
        at + HOUR,
        *({**bar(token, 3), "CLOSE": CLOSES[token][3] + 1} for token in TOKENS),
    )
    hours = [DAYS[3] + HOUR * number for number in range(24)]
    rows = [{**_named(3375), "TIMESTAMP": f"{when:%Y-%m-%dT%H:%M:%SZ}", "CLOSE": 1.0, "SIGNAL": "1"} for when in hours]
    _buy(ledger, "hourly-trading-signals", hours[0], hours[-1], DAYS[4] + 0.5 * HOUR, *rows, tokens=["3375"])


def bar(token: int, number: int) -> dict[str, Any]:
    """A row of daily-ohlcv."""
    close = CLOSES[token][number]
    prices = dict.fromkeys(("OPEN", "HIGH", "LOW", "CLOSE"), close)
    return {**_named(token), "DATE": f"{DAYS[number]:%Y-%m-%d}", **prices, "VOLUME": 1000.0}


def _moonshots(ledger: Ledger) -> None:
    """Four picks: an old one that goes on, one of today, one that closed today, one long closed."""
    listed = [pick("OLD", 200), pick("NEW", 5), pick("SHUT", 150)]
    first, second = NOW - 4 * HOUR, NOW - 2 * HOUR
    _buy(ledger, "moonshot-tokens", first, first, first, *listed, tokens=["*"], flow="moonshots")
    closed = [pick("SHUT", 150, ended=3, roi=2.5), pick("PAST", 900, ended=600, roi=-0.5)]
    _buy(ledger, "moonshot-tokens-past", second, second, second, *closed, tokens=["*"], flow="moonshots")


def pick(symbol: str, picked: int, *, ended: int | None = None, roi: float = 1.0) -> dict[str, Any]:
    """A moonshot picked, and perhaps closed, so many hours ago."""
    end = None if ended is None else f"{NOW - HOUR * ended:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "TOKEN_NAME": symbol.title(),
        "TOKEN_SYMBOL": symbol,
        "MOONSHOT_AT": f"{NOW - HOUR * picked:%Y-%m-%dT%H:%M:%SZ}",
        "MOONSHOT_END_AT": end,
        "MOONSHOT_ROI": roi,
    }


def _research(ledger: Ledger) -> None:
    """Nested values of the seller, of one token and one day: levels, correlations, scenarios, categories."""
    when, bitcoin = DAYS[4] + 11 * HOUR, {**_named(3375), "DATE": f"{DAYS[4]:%Y-%m-%d}"}
    nested: dict[str, dict[str, Any]] = {
        "tokens": {**_named(3375), "CATEGORY_LIST": [{"category_name": "Layer 1"}]},
        "price": {**_named(3375), "CURRENT_PRICE": CLOSES[3375][4]},
        "resistance-support": {
            **bitcoin,
            "HISTORICAL_RESISTANCE_SUPPORT_LEVELS": [{"date": "2025-09-01", "level": "130"}, {"level": 90}],
        },
        "correlation": {**bitcoin, "TOP_CORRELATION": [{"token": "ETH", "correlation": 0.81}]},
        "price-prediction": {
            **bitcoin,
            "PRICE_PREDICTION": {
                "current_price": CLOSES[3375][4],
                "price_prediction": [{"scenario": "4T", "predicted_price_base": 150, "predicted_price_bear": 99}],
            },
        },
    }
    for name, row in nested.items():
        keys = ["*"] if name == "tokens" else ["3375"]
        _buy(ledger, name, when, when, when, row, tokens=keys, flow="research")


def _named(token: int) -> dict[str, Any]:
    name, symbol = TOKENS[token]
    return {"TOKEN_ID": token, "TOKEN_NAME": name, "TOKEN_SYMBOL": symbol}


def _buy(
    ledger: Ledger,
    dataset: str,
    first: datetime,
    last: datetime,
    at: datetime,
    *rows: dict[str, Any],
    tokens: list[str] | None = None,
    flow: str = "signals",
) -> None:
    keys = tokens or [str(token) for token in TOKENS]
    [piece, *_] = pieces(dataset, keys, first, last, at)
    buy(ledger, piece, body(*rows), at, flow=flow)
