"""Every endpoint on sale: its shape, its row, its price."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tollbook.sandbox.market import rows


class Shape(StrEnum):
    """NOW: one row per token, no history. DAILY, HOURLY: dated rows. RECENT: hourly rows by page only.
    PICKS: the moonshot list."""

    NOW = "now"
    DAILY = "daily"
    HOURLY = "hourly"
    RECENT = "recent"
    PICKS = "picks"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`price` is in atoms of the six-decimals token; 0 is free. `needs` are required parameters; `least` maps a
    parameter to the column whose minimum it gives; `equal` to the column that it must equal."""

    name: str
    shape: Shape
    row: Callable[..., dict[str, Any]]
    price: int
    needs: tuple[str, ...] = ()
    least: Mapping[str, str] = field(default_factory=dict)
    equal: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"


_ALL = (
    Endpoint("tokens", Shape.NOW, rows.tokens, 0),
    Endpoint("price", Shape.NOW, rows.price, 0, needs=("token_id",)),
    Endpoint("top-market-cap-tokens", Shape.NOW, rows.tokens, 0),
    Endpoint("tm-grade", Shape.NOW, rows.tm_grade, 17_000),
    Endpoint("tm-grade-history", Shape.DAILY, rows.tm_grade_history, 17_000),
    # price seen in a public client, undated
    Endpoint("trading-signals", Shape.DAILY, rows.trading_signals, 17_000, equal={"signal": "TRADING_SIGNAL"}),
    Endpoint("hourly-trading-signals", Shape.RECENT, rows.hourly_trading_signals, 34_000, needs=("token_id",)),
    Endpoint("moonshot-tokens", Shape.PICKS, rows.tokens, 34_000),
)
ENDPOINTS: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in _ALL}
