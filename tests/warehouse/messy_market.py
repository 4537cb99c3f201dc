"""A market as it comes in a bad fortnight: missed days, restatements, a backfill afterwards, snapshots day after day.

It ends yesterday, as moonshots are asked against now. Snapshots of grades, levels, correlations, predictions and prices
come at 06:15, but for the missed day. The history is bought afterwards, without the newest day and without the hole; a
day of it is restated later. Signals, hourly signals and bars come in one backfill; one signal and one bar are restated.
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
FIRST = (NOW - 14 * DAY).replace(hour=0, minute=0, second=0)
LENGTH, NEWEST = 14, 13
DAYS = [FIRST + DAY * number for number in range(LENGTH)]
MISSED, HOLE, RESTATED = 9, 4, 6
"""Numbers of the day without snapshots, of the day that the history lacks, and of the day that is restated."""
TOKENS = {3375: ("Bitcoin", "BTC"), 3306: ("Ethereum", "ETH"), 3988: ("Solana", "SOL")}
BACKFILLED = DAYS[NEWEST] + 7 * HOUR
CORRECTED = DAYS[NEWEST] + 9 * HOUR


def at_end(token: int, number: int) -> float:
    """The grade at a day's end, as the history first says it."""
    return float((token + 7 * number) % 60 + 20)


def at_call(token: int, number: int) -> float:
    """The grade at 06:15 of a day: far from either of its ends."""
    return float((token + 13 * number) % 50 + 30)


def corrected(token: int, number: int) -> float:
    """The history's word now."""
    return at_end(token, number) + (5 if number == RESTATED else 0)


def signal_of(token: int, number: int) -> int:
    """The signal as first told."""
    return (token + number) % 3 - 1


def close_of(token: int, number: int) -> float:
    return float(token % 100 + 10 + number + (number == RESTATED))


def build(home: Path) -> Path:
    """Buy all of it, load and publish once a day, so that every update of what is published has happened."""
    with open_ledger(home) as ledger:
        for number in range(LENGTH):
            if number != MISSED:
                _snapshots(ledger, number, DAYS[number] + 6.25 * HOUR)
            if number in (NEWEST - 3, NEWEST - 2):
                _publish(home, ledger)
        _history(ledger, 0, HOLE - 1, BACKFILLED)
        _history(ledger, HOLE + 1, NEWEST - 1, BACKFILLED + HOUR / 60)
        _signals(ledger, BACKFILLED)
        _bars(ledger)
        _publish(home, ledger)
        _corrections(ledger)
        _moonshots(ledger)
        _publish(home, ledger)
    return home


def _publish(home: Path, ledger: Ledger) -> None:
    load(Cache(home), ledger)
    publish(home, ledger)


def named(token: int) -> dict[str, Any]:
    name, symbol = TOKENS[token]
    return {"TOKEN_ID": token, "TOKEN_NAME": name, "TOKEN_SYMBOL": symbol}


def levels(token: int, number: int) -> list[dict[str, Any]]:
    """Two levels around the price of that day, which move with it."""
    price = price_of(token, number)
    return [{"date": "2025-09-01", "level": price * 1.01}, {"level": price * 0.5}]


def price_of(token: int, number: int) -> float:
    return float(token % 100 + 50 + number)


def _snapshots(ledger: Ledger, number: int, at: datetime) -> None:
    before = at_call(0, 0)
    rows = []
    for token in TOKENS:
        before = at_call(token, number - 1)
        change = (at_call(token, number) / before - 1) * 100
        row = {**grade(token, DAYS[number], at_call(token, number)), **named(token), "QUANT_GRADE": "70"}
        rows.append({**row, "DATE": None, "TM_GRADE_24h_PCT_CHANGE": change})
    _buy(ledger, "tm-grade", DAYS[number], DAYS[number], at, *rows, flow="grades")
    if number < NEWEST - 3:
        return
    dated = {token: {**named(token), "DATE": f"{DAYS[number]:%Y-%m-%d}"} for token in TOKENS}
    nested: dict[str, list[dict[str, Any]]] = {
        "price": [{**named(token), "CURRENT_PRICE": price_of(token, number)} for token in TOKENS],
        "resistance-support": [
            {**dated[token], "HISTORICAL_RESISTANCE_SUPPORT_LEVELS": levels(token, number)} for token in TOKENS
        ],
        "correlation": [
            {**dated[token], "TOP_CORRELATION": [{"token": f"WITH{number}", "correlation": 0.5}]} for token in TOKENS
        ],
        "price-prediction": [
            {
                **dated[token],
                "PRICE_PREDICTION": {"price_prediction": [{"scenario": "4T", "predicted_price_base": number}]},
            }
            for token in TOKENS
        ],
    }
    for name, each in nested.items():
        _buy(ledger, name, at, at, at, *each, flow="research")
    if number == NEWEST:
        row = {**named(3375), "CATEGORY_LIST": [{"category_name": "Layer 1"}]}
        _buy(ledger, "tokens", at, at, at, row, keys=["*"], flow="research")


def _history(ledger: Ledger, first: int, last: int, at: datetime) -> None:
    rows = [_graded(token, number, at_end(token, number)) for token in TOKENS for number in range(first, last + 1)]
    _buy(ledger, "tm-grade-history", DAYS[first], DAYS[last], at, *rows, flow="grades")


def _graded(token: int, number: int, value: float) -> dict[str, Any]:
    return {**grade(token, DAYS[number], value), **named(token), "FUNDAMENTAL_GRADE": "80"}


def _signals(ledger: Ledger, at: datetime) -> None:
    rows = [_signal(token, number, signal_of(token, number)) for token in TOKENS for number in range(NEWEST)]
    _buy(ledger, "trading-signals", DAYS[0], DAYS[NEWEST - 1], at, *rows)
    hours = [DAYS[NEWEST - 1] + HOUR * number for number in range(30)]
    each = [{**named(3375), "TIMESTAMP": f"{when:%Y-%m-%dT%H:%M:%SZ}", "CLOSE": 1.0, "SIGNAL": "1"} for when in hours]
    _buy(ledger, "hourly-trading-signals", hours[0], hours[-1], at, *each, keys=["3375"])


def _signal(token: int, number: int, value: int) -> dict[str, Any]:
    returns = {"TRADING_SIGNALS_RETURNS": float(number + token % 10), "HOLDING_RETURNS": float(number)}
    return {
        **named(token),
        "DATE": f"{DAYS[number]:%Y-%m-%d}",
        "TRADING_SIGNAL": value,
        "TOKEN_TREND": 1,
        **returns,
    }


def _bars(ledger: Ledger) -> None:
    def bar(token: int, number: int, more: float = 0) -> dict[str, Any]:
        prices = dict.fromkeys(("OPEN", "HIGH", "LOW", "CLOSE"), close_of(token, number) + more)
        return {**named(token), "DATE": f"{DAYS[number]:%Y-%m-%d}", **prices, "VOLUME": 1000.0}

    rows = [bar(token, number, number == RESTATED) for token in TOKENS for number in range(NEWEST)]
    _buy(ledger, "daily-ohlcv", DAYS[0], DAYS[NEWEST - 1], BACKFILLED, *rows)
    again = [bar(token, RESTATED) for token in TOKENS]
    _buy(ledger, "daily-ohlcv", DAYS[RESTATED], DAYS[RESTATED], CORRECTED, *again)


def _corrections(ledger: Ledger) -> None:
    rows = [_graded(token, RESTATED, corrected(token, RESTATED)) for token in TOKENS]
    _buy(ledger, "tm-grade-history", DAYS[RESTATED], DAYS[RESTATED], CORRECTED, *rows, flow="grades")
    row = _signal(3306, NEWEST - 1, 1)
    _buy(ledger, "trading-signals", DAYS[NEWEST - 1], DAYS[NEWEST - 1], CORRECTED, row, keys=["3306"])


def _moonshots(ledger: Ledger) -> None:
    at = NOW - 2 * HOUR
    picks = [("NEW", 5.0, None), ("OLD", 300.0, None), ("SHUT", 200.0, 3.0)]
    rows = [
        {
            "TOKEN_NAME": name.title(),
            "TOKEN_SYMBOL": name,
            "MOONSHOT_AT": f"{NOW - HOUR * picked:%Y-%m-%dT%H:%M:%SZ}",
            "MOONSHOT_END_AT": None if ended is None else f"{NOW - HOUR * ended:%Y-%m-%dT%H:%M:%SZ}",
            "MOONSHOT_ROI": 1.5,
        }
        for name, picked, ended in picks
    ]
    _buy(ledger, "moonshot-tokens", at - HOUR, at - HOUR, at - HOUR, *rows[:2], keys=["*"], flow="moonshots")
    _buy(ledger, "moonshot-tokens-past", at, at, at, rows[2], keys=["*"], flow="moonshots")


def _buy(
    ledger: Ledger,
    dataset: str,
    first: datetime,
    last: datetime,
    at: datetime,
    *rows: dict[str, Any],
    keys: list[str] | None = None,
    flow: str = "signals",
) -> None:
    [piece, *_] = pieces(dataset, keys or [str(token) for token in TOKENS], first, last, at)
    buy(ledger, piece, body(*rows), at, flow=flow)
