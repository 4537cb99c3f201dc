"""Nested lists as rows: whatever shape the seller gives an element, its table can be asked and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.deliveries import T0, body, pieces
from tests.warehouse.publications import bring_up
from tests.warehouse.purchases import buy, open_ledger
from warehouse.query import query

COLUMNS = {
    "resistance-support": "HISTORICAL_RESISTANCE_SUPPORT_LEVELS",
    "correlation": "TOP_CORRELATION",
    "price-prediction": "PRICE_PREDICTION",
    "scenario-analysis": "SCENARIO_ANALYSIS",
}
SHAPES: dict[str, tuple[Any, ...]] = {
    "resistance-support": (
        [{"date": "2025-09-01", "level": "107300.5"}, 99.5, {"price": 1}, None],
        [],
        None,
        "none yet",
    ),
    "correlation": ([{"token": "ETH", "correlation": 0.81}, "SOL", ["BTC", 0.5]], {"ETH": 0.81}),
    "price-prediction": (
        {
            "current_price": 10,
            "predicted_date": "2026-10-30",
            "price_prediction": [{"scenario": "4T", "predicted_price_base": 12.5}, 7],
        },
        {"price_prediction": None},
        [1],
    ),
    "scenario-analysis": ([{"scenario": "bear", "value": 0.7}], "soon"),
}
"""Per dataset what the nested column of tokens 1, 2, 3 and so on holds: as documented, and as it is not."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    with open_ledger(home) as ledger:
        for name, shapes in SHAPES.items():
            keys = [str(number + 1) for number in range(len(shapes))]
            [piece] = pieces(name, keys, T0, T0, T0)
            day = f"{T0:%Y-%m-%d}"
            rows = [
                {"TOKEN_ID": int(key), "TOKEN_NAME": key, "TOKEN_SYMBOL": key, "DATE": day, COLUMNS[name]: shape}
                for key, shape in zip(keys, shapes, strict=True)
            ]
            buy(ledger, piece, body(*rows), T0)
        bring_up(home, ledger)
    return home


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (
            "SELECT token_id, number, level, level_date::VARCHAR, element FROM resistance_support_levels ORDER BY ALL",
            [
                (1, 1, 107300.5, "2025-09-01", '{"date":"2025-09-01","level":"107300.5"}'),
                (1, 2, 99.5, None, "99.5"),
                (1, 3, None, None, '{"price":1}'),
                (1, 4, None, None, "null"),
            ],
        ),
        (
            "SELECT token_id, with_token, correlation, element FROM correlation_pairs ORDER BY token_id, number",
            [
                (1, "ETH", 0.81, '{"token":"ETH","correlation":0.81}'),
                (1, "SOL", None, '"SOL"'),
                (1, None, None, '["BTC",0.5]'),
            ],
        ),
        (
            "SELECT token_id, scenario, price_base, price_moon, current_price, predicted_date::VARCHAR "
            "FROM price_scenarios ORDER BY number",
            [(1, "4T", 12.5, None, 10.0, "2026-10-30"), (1, None, None, None, 10.0, "2026-10-30")],
        ),
        ("SELECT token_id, scenario, value FROM scenario_values", [(1, "bear", 0.7)]),
    ],
    ids=["levels", "correlations", "predictions", "scenarios"],
)
def test_each_element_is_a_row_and_what_is_not_as_documented_is_null(
    home: Path, sql: str, rows: list[tuple[Any, ...]]
) -> None:
    assert query(home, sql)[1] == rows
