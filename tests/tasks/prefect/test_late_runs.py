"""Late runs of one deployment: all but the newest that is due leave their work to it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

NOW = datetime(2026, 11, 29, 19, 0, tzinfo=UTC)
DEPLOYMENT, FLOW = uuid4(), uuid4()


def due(hours: float, *, scheduled: bool = True, deployment: UUID | None = DEPLOYMENT, **parameters: Any) -> FlowRun:
    """A run whose time was so many hours ago."""
    from prefect.client.schemas.objects import FlowRun

    return FlowRun(
        flow_id=FLOW,
        deployment_id=deployment,
        auto_scheduled=scheduled,
        expected_start_time=NOW - timedelta(hours=hours),
        parameters=parameters,
    )


@pytest.mark.parametrize(
    ("run", "left"),
    [
        (due(6), True),
        (due(0.2), True),
        (due(0.1), False),
        (due(6, scheduled=False), False),
        (due(6, deployment=None), False),
    ],
)
def test_only_a_scheduled_run_that_begins_late_may_leave_its_work(run: FlowRun, left: bool) -> None:
    from tasks.prefect.flow_run import may_be_left

    assert may_be_left(run, NOW) is left


def test_the_newest_due_run_with_the_same_parameters_buys_for_all() -> None:
    from tasks.prefect.flow_run import newest_of

    oldest, middle, newest = due(12), due(6), due(0.5)
    others = [oldest, middle, newest, due(0.1, scheduled=False), due(0.2, tokens="ETH")]
    assert newest_of(oldest, others) == newest
    assert newest_of(middle, others) == newest
    assert newest_of(newest, others) is None
    assert newest_of(due(6, tokens="ETH"), [middle, newest]) is None


class Context:
    def __init__(self, run: FlowRun) -> None:
        self.flow_run = run


def ended(monkeypatch: pytest.MonkeyPatch, run: FlowRun | None, others: list[FlowRun] | Exception) -> str | None:
    from tasks.prefect import flow_run

    class Log:
        def warning(self, _text: str, *_values: object) -> None:
            """Not looked at."""

    async def found(_run: FlowRun, _now: datetime) -> list[FlowRun]:
        if isinstance(others, Exception):
            raise others
        return others

    monkeypatch.setattr(flow_run, "flow_run_context", lambda: None if run is None else Context(run))
    monkeypatch.setattr(flow_run, "_due_after", found)
    monkeypatch.setattr(flow_run, "get_run_logger", Log)
    state = asyncio.run(flow_run.left_to_later_run(NOW))
    return None if state is None else f"{state.name}: {state.message}"


def test_a_late_run_says_which_run_buys_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    late = due(12)
    since, then = "late since 2026-11-29 07:00 UTC", "the run of 2026-11-29 13:00 UTC"
    assert (
        ended(monkeypatch, late, [late, due(6)])
        == f"Completed: {since}; {then}, which is due too, buys what both would"
    )
    assert ended(monkeypatch, late, [late]) is None


def test_outside_of_a_flow_and_without_a_server_a_run_does_its_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, None, [due(6)]) is None
    assert ended(monkeypatch, due(12), ConnectionError("refused")) is None
