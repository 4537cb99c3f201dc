"""Print what scheduled flows will cost over the next 30 days (`tollbook plan --month`)."""

from __future__ import annotations

from collections.abc import Sequence

from payer.values.money import decimal_text
from tasks.ops.forecast import DAYS, Forecast
from tollbook.cli.output import Output


def show_forecast(output: Output, forecasts: Sequence[Forecast], schedules: str) -> None:
    """One row per schedule of the file: runs, calls and money at known prices; datasets never quoted are named."""
    output.heading(f"The next {DAYS} days at the schedules of {schedules}")
    rows = [
        (each.flow, each.schedule, str(each.runs), str(each.calls), _money(each), each.asset.symbol)
        for each in forecasts
    ]
    output.table(("flow", "schedule (UTC)", "runs", "calls", "amount", "asset"), rows, right=frozenset({2, 3, 4}))
    total = sum(each.amount_atomic for each in forecasts)
    if forecasts and len({each.asset for each in forecasts}) == 1:
        output.line(f"  together {decimal_text(total, forecasts[0].asset.decimals)} {forecasts[0].asset.symbol}")
    for each in forecasts:
        if each.unknown_prices:
            names = ", ".join(sorted(each.unknown_prices))
            output.line(f"  never quoted, not in the sum: {names}; `tollbook plan {each.flow}` asks for terms")


def _money(each: Forecast) -> str:
    return str(each.document()["amount"]) + (" or more" if each.open_ended or each.unknown_prices else "")
