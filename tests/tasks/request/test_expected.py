"""Expected fires and keys, from the schedules, as the warehouse takes them."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

import pytest

from tasks.request.schedules import expected
from tasks.workspace.workspace import Workspace

DAILY = """
deployments:
  - {name: a, entrypoint: flows.grades.grades, schedules: [{cron: "15 6 * * *"}]}
  - {name: b, entrypoint: flows.signals.signals, schedules: [{cron: "30 6 * * *", active: false}]}
  - {name: c, entrypoint: flows.costs.costs, schedules: [{cron: "30 7 * * *"}]}
"""


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace.open({"TOLLBOOK_HOME": str(tmp_path), "TOLLBOOK_POLICY": "policy.toml"})


def test_active_schedules_of_flows_that_buy_say_when_and_for_which_tokens(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "prefect.yaml"
    path.write_text(DAILY)
    found = expected(ws, path)
    assert found is not None
    now = ws.clock.now()
    assert {name for name, _ in found.fires} == {"tm-grade"}
    assert {f"{at.astimezone(UTC):%H:%M}" for _, at in found.fires} == {"06:15"}
    assert [sum(at > now for _, at in found.fires), sum(at <= now for _, at in found.fires)] == [35, 35]
    assert max(at for _, at in found.fires) - now > timedelta(days=31)
    watched = ws.policy.sellers["tokenmetrics"].tokens
    assert set(found.keys) == {("tm-grade", str(token)) for token in watched}
    assert watched


def test_the_shipped_schedules_keep_every_feed_fresh(ws: Workspace) -> None:
    found = expected(ws)
    assert found is not None
    bought = {"tm-grade", "trading-signals", "hourly-trading-signals", "moonshot-tokens", "moonshot-tokens-past"}
    assert {name for name, _ in found.fires} == bought
    assert ("moonshot-tokens", "*") in found.keys


def test_without_readable_schedules_nothing_is_said(ws: Workspace, tmp_path: Path) -> None:
    assert expected(ws, tmp_path / "prefect.yaml") is None
