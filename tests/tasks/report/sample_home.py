"""A home of five weeks: ten tokens, three flows and research, with a gap, a loss, money in doubt and saved calls.

It ends at the given time. Grades are missing for a few days; one purchase was never delivered, one body was unusable.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from payer.ledger import Ledger
from payer.ledger.reserve import PricedOrder
from payer.values.chain_view import Settlement
from payer.values.events import DeliveryFailed, Event, Sent, Settled, Signed, Undelivered
from payer.values.identifiers import nonce, purchase_key
from payer.values.purchase import Lease
from payer.values.request import Order, Request, Run
from payer.values.terms import Authorization
from tests.payer import purchases as p
from tests.warehouse.deliveries import DAY, body, pieces
from tests.warehouse.purchases import LIMITLESS, buy, open_ledger
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish

HOUR = timedelta(hours=1)
DAYS = 36
TOKENS = {
    3375: ("Bitcoin", "BTC", 96_000.0),
    3306: ("Ethereum", "ETH", 3_400.0),
    3988: ("Solana", "SOL", 180.0),
    3369: ("XRP", "XRP", 2.2),
    3377: ("Cardano", "ADA", 0.7),
    3315: ("Chainlink", "LINK", 18.0),
    3484: ("Avalanche", "AVAX", 29.0),
    3321: ("Polkadot", "DOT", 5.4),
    3388: ("Near", "NEAR", 4.9),
    3401: ("Pepe", "PEPE", 0.000_012),
}
MISSED = range(17, 21)
"""Days, counted from the first, on which no grades came."""
POLICY = f"""
[network]
chain_id = 31337
v1_name = "base"
rpc_url = "http://127.0.0.1:9"
finality = "safe"

[assets.USDC]
address = "{p.USDC.address}"
eip712_name = "USD Coin"
eip712_version = "2"
decimals = 6

[caps.USDC]
per_call = "0.10"
per_run = "0.50"
per_flow_day = "0.15"
per_day = "0.25"
per_month = "6.00"
price_drift = "0.25"

[sellers.tokenmetrics]
base_url = "http://127.0.0.1:9/v2"
pay_with = "USDC"
pay_to = "first-use"
tokens = [{", ".join(map(str, TOKENS))}]
"""


def now() -> datetime:
    """The end of a home that is built now."""
    return datetime.now(UTC).replace(microsecond=0)


def build(home: Path, end: datetime, *, trouble: bool = True) -> Path:
    """Buy all of it, load and publish; the policy lies beside it as policy.toml.

    Without `trouble` there is neither loss nor doubt nor gap.
    """
    first = (end - DAYS * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [first + DAY * number for number in range(DAYS)]
    with open_ledger(home) as ledger:
        for number, day in enumerate(days):
            if (not trouble or number not in MISSED) and day + 31 * HOUR < end:
                _grades(ledger, day, number)
            _signals(ledger, day, number)
            if number % 3 == 0:
                _prices(ledger, days[max(0, number - 3) : number], number)
            if number % 2 == 0 or number == DAYS - 1:
                _moonshots(ledger, day + 18 * HOUR)
            _note_saved(ledger, day + 9 * HOUR, number)
        _prices(ledger, [day for day in days[-3:] if day + 35 * HOUR < end], DAYS)
        if trouble:
            _lose(ledger, days[24] + 6 * HOUR)
            _fail(ledger, days[30], days[30] + 6 * HOUR)
        today = [_grade(token, end, DAYS) for token in TOKENS]
        bought = max(end - HOUR / 2, end.replace(hour=0, minute=0, second=0))
        _buy(ledger, "tm-grade", end, bought, today, "grades", settled=not trouble)
        load(Cache(home), ledger)
        publish(home, ledger)
    (home / "policy.toml").write_text(POLICY)
    return home


def _wave(token: int, number: float) -> float:
    """A smooth course of prices and grades of its own for each token, from about -1 to 1."""
    return 0.7 * math.sin(number / (9 + token % 7) + token) + 0.3 * math.sin(number / 2.3 + token % 11)


def _named(token: int) -> dict[str, Any]:
    name, symbol, _ = TOKENS[token]
    return {"TOKEN_ID": token, "TOKEN_NAME": name, "TOKEN_SYMBOL": symbol}


def _grade(token: int, day: datetime, number: int) -> dict[str, Any]:
    value, before = (55 + 35 * _wave(token, at) for at in (number, number - 1))
    words = ("Strong Sell", "Sell", "Neutral", "Buy", "Strong Buy")
    return {
        **_named(token),
        "DATE": f"{day:%Y-%m-%d}",
        "TM_GRADE": round(value, 2),
        "TM_GRADE_24h_PCT_CHANGE": round((value / before - 1) * 100, 2),
        "TM_TRADER_GRADE_24H_CHANGE": 0.25,
        "TM_GRADE_SIGNAL": words[min(4, int(value / 20))],
        "MOMENTUM": "Gaining Momentum" if value > before else "Losing Momentum",
    }


def _grades(ledger: Ledger, day: datetime, number: int) -> None:
    rows = [_grade(token, day, number) for token in TOKENS]
    _buy(ledger, "tm-grade-history", day, day + 30 * HOUR, rows, "grades")


def _signals(ledger: Ledger, day: datetime, number: int) -> None:
    rows = [
        {
            **_named(token),
            "DATE": f"{day:%Y-%m-%d}",
            "TRADING_SIGNAL": (1 if _wave(token, number) > 0.2 else -1 if _wave(token, number) < -0.35 else 0),
            "TOKEN_TREND": 1,
            "TRADING_SIGNALS_RETURNS": round(0.012 * number + 0.05 * _wave(token + 3, number), 4),
            "HOLDING_RETURNS": round(0.18 * (_wave(token, number) - _wave(token, 0)), 4),
        }
        for token in TOKENS
    ]
    _buy(ledger, "trading-signals", day, day + 8 * HOUR, rows, "signals")


def _prices(ledger: Ledger, days: list[datetime], number: int) -> None:
    """Bars of some days, the last of which is the day before `number`."""
    rows = []
    for back, day in enumerate(reversed(days), 1):
        for token, (_, _, usual) in TOKENS.items():
            close = usual * (1 + 0.18 * _wave(token, number - back - 2))
            prices = dict.fromkeys(("OPEN", "HIGH", "LOW", "CLOSE"), close)
            rows.append({**_named(token), "DATE": f"{day:%Y-%m-%d}", **prices, "VOLUME": 1000.0})
    if rows:
        _buy(ledger, "daily-ohlcv", days[0], days[-1] + 34 * HOUR, rows, "prices", last=days[-1])


def _moonshots(ledger: Ledger, at: datetime) -> None:
    pick = {"TOKEN_NAME": "New", "TOKEN_SYMBOL": "NEW", "MOONSHOT_AT": f"{at - HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    row = {**pick, "MOONSHOT_END_AT": None, "MOONSHOT_ROI": 0.1}
    buy(ledger, _piece("moonshot-tokens", at, None, at, ["*"]), body(row), at, flow="moonshots")


def _buy(
    ledger: Ledger,
    dataset: str,
    first: datetime,
    at: datetime,
    rows: list[dict[str, Any]],
    flow: str,
    *,
    settled: bool = True,
    last: datetime | None = None,
) -> None:
    buy(ledger, _piece(dataset, first, last, at), body(*rows), at, flow=flow, settled=settled)


def _piece(
    dataset: str,
    first: datetime,
    last: datetime | None = None,
    at: datetime | None = None,
    keys: list[str] | None = None,
) -> Any:
    [piece, *_] = pieces(
        dataset, keys or [str(token) for token in TOKENS], first, last or first, at or first + 30 * HOUR
    )
    return piece


def _note_saved(ledger: Ledger, at: datetime, number: int) -> None:
    """A call that the cache saved each day, and another each third."""
    flows = ("signals", "grades") if number % 3 == 0 else ("signals",)
    for flow in flows:
        run = Run(f"saved-{flow}-{number}", flow, "schedule", at)
        entry = {
            "run_id": run.run_id,
            "flow": flow,
            "deployment": None,
            "flow_run_id": None,
            "reason": "schedule",
            "dataset": "trading-signals" if flow == "signals" else "tm-grade-history",
            "request": f"GET /v2/{flow}?{number}",
            "edition": "final",
            "network": "eip155:31337",
            "asset": "USDC",
            "decimals": 6,
            "price_atomic": p.PRICE,
            "at": at,
        }
        ledger.note_avoided([entry], run)


def _fail(ledger: Ledger, day: datetime, at: datetime) -> None:
    """A purchase that was paid and brought a body without rows."""
    bought = buy(ledger, _piece("tm-grade", day, None, at), b"<html>busy</html>", at, flow="grades")
    ledger.append(bought, DeliveryFailed(at=at, reason="the body is a web page, not JSON"))


def _lose(ledger: Ledger, at: datetime) -> None:
    """A purchase that was paid and never delivered."""
    piece = _piece("tm-grade", at.replace(hour=0), None, at)
    request = Request(piece.method, "http://127.0.0.1:9" + piece.path, piece.params)
    order = Order(request, piece.edition, piece.seller, piece.dataset, piece.context())
    key = purchase_key(request, piece.edition)
    item = PricedOrder(order, p.USDC, p.PAYER, {0: nonce(p.SECRET, p.USDC, key, 0)}, p.PRICE, p.terms(), 1)
    [wanted] = ledger.reserve(p.run("lost", flow="grades", at=at), [item], LIMITLESS, Lease("tests", at))
    seconds = int(at.timestamp())
    signed = Authorization(p.USDC, p.PAYER, p.PAYEE, p.PRICE, seconds - 60, seconds + 60, wanted.nonce)
    proof = Settlement("0x" + key, 9, "0x" + "bb" * 32, at, p.PAYEE, p.PRICE, final=True)
    steps: list[Event] = [
        Signed(at=at, authorization=signed, terms=p.terms()),
        Sent(at=at),
        Settled(at=at, settlement=proof),
        Undelivered(at=at, reason="every claim failed"),
    ]
    ledger.append(wanted, *steps)


__all__ = ["DAYS", "MISSED", "TOKENS", "build"]
