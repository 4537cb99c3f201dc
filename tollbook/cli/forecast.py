"""`tollbook plan --month`: what the next 30 days would cost at the schedules of prefect.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tollbook.cli.answer import Answer


def show_forecast(answer: Answer, path: Path, flows: Sequence[str] | None, tokens: str | None) -> None:
    """Per scheduled flow: runs, calls and money at known prices. What was never quoted is named, not counted as 0."""
    from payer.values.money import Amount
    from tasks.buy.load import load
    from tasks.ops.forecast import DAYS, Forecast, forecast
    from tasks.workspace.schedules import read_schedules
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.working import in_workspace

    schedules = read_schedules(path)

    async def work(ws: Workspace) -> list[Forecast]:
        await load(ws)
        return await forecast(ws, schedules, flows=flows, tokens=tokens)

    found = in_workspace(work)
    answer.document({"days": DAYS, "flows": [each.document() for each in found]})
    answer.heading(f"The next {DAYS} days at the schedules of {path.name}")
    rows = [
        (each.flow, each.schedule, str(each.runs), str(each.calls), _money(each), each.asset.symbol) for each in found
    ]
    answer.table(("flow", "schedule (UTC)", "runs", "calls", "amount", "asset"), rows, right=frozenset({2, 3, 4}))
    total = sum(each.amount_atomic for each in found)
    if found and len({each.asset for each in found}) == 1:
        answer.line(f"  together {Amount(total, found[0].asset)}")
    for each in found:
        if each.unknown_prices:
            names = ", ".join(sorted(each.unknown_prices))
            answer.line(f"  never quoted, not in the sum: {names}; `tollbook plan {each.flow}` asks for terms")


def _money(each: object) -> str:
    from tasks.ops.forecast import Forecast

    assert isinstance(each, Forecast)
    return str(each.document()["amount"]) + (" or more" if each.open_ended or each.unknown_prices else "")
