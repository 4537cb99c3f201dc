"""Print what scheduled flows will cost over the next 30 days (`tollbook plan --month`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from payer.values.money import decimal_text
from tasks.ops.forecast import DAYS, Forecast
from tollbook.cli.terminal.output import Output


def show_forecast(output: Output, forecasts: Sequence[Forecast], schedules: str) -> None:
    """One row per schedule of the file: runs, calls and money at known prices; datasets never quoted are named."""
    output.heading(f"The next {DAYS} days at the schedules of {schedules}")
    one = len({each.asset for each in forecasts}) == 1
    rows = [(each.flow, each.schedule, str(each.runs), str(each.calls), _money(each)) for each in forecasts]
    foot: tuple[str, ...] = ()
    if forecasts and one:
        whole = replace(forecasts[0], amount_atomic=sum(each.amount_atomic for each in forecasts))
        open_ended = any(map(_may_be_more, forecasts))
        sums = (str(sum(each.runs for each in forecasts)), str(sum(each.calls for each in forecasts)))
        foot = ("total", "", *sums, _amount(whole, more=open_ended))
    output.table(("flow", "schedule (UTC)", "runs", "calls", "amount"), rows, right=frozenset({2, 3, 4}), foot=foot)
    for each in forecasts:
        if each.unknown_prices:
            names = ", ".join(sorted(each.unknown_prices))
            output.line(f"  never quoted, not in the sum: {names}; `tollbook plan {each.flow}` asks for terms")


def _money(each: Forecast) -> str:
    return _amount(each, more=_may_be_more(each))


def _may_be_more(each: Forecast) -> bool:
    return bool(each.open_ended or each.unknown_prices)


def _amount(each: Forecast, *, more: bool) -> str:
    amount = f"{decimal_text(each.amount_atomic, each.asset.decimals)} {each.asset.symbol}"
    return f"{amount} or more" if more else amount
