"""Metrics for Prometheus: every one of the documented names, from the ledger and the published file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from payer.ledger import Ledger
from payer.values.events import Settled
from tasks.metrics.textfile import METRICS, quantile_of, write_metrics
from tasks.workspace.workspace import Workspace
from tests.payer import purchases as p
from tests.payer.ledger.test_avoided import entry
from tollbook.templates import template

UNITS = ("_asset_units", "_seconds", "_purchases", "_deliveries", "_calls", "_late", "_events")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home with a paid call, one in doubt and one that the cache saved."""
    (tmp_path / "state").mkdir()
    with Ledger.open(f"sqlite:///{tmp_path}/state/ledger.db") as ledger:
        bought = ledger.get(p.bought(ledger, 0))
        assert bought is not None
        ledger.append(bought, Settled(at=p.NOW, settlement=p.settlement()))
        p.bought(ledger, 1)
        ledger.note_avoided([entry()], p.run())
    return {
        "TOLLBOOK_HOME": str(tmp_path),
        "TOLLBOOK_POLICY": str(template("policy.toml")),
        "TOLLBOOK_METRICS_FILE": str(tmp_path / "metrics" / "tollbook.prom"),
    }


def written(environ: dict[str, str]) -> dict[tuple[str, ...], float]:
    """Samples by their name and labels' values."""

    async def write() -> None:
        async with Workspace.open(environ) as ws:
            await write_metrics(ws)

    asyncio.run(write())
    text = Path(environ["TOLLBOOK_METRICS_FILE"]).read_text()
    families = list(text_string_to_metric_families(text))
    assert {family.name for family in families} == set(METRICS)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_money_calls_and_time_are_written_with_their_units(environ: dict[str, str]) -> None:
    samples = written(environ)
    assert samples["tollbook_spent_asset_units", "USDC"] == pytest.approx(0.02)
    assert samples["tollbook_in_doubt_asset_units", "USDC"] == pytest.approx(0.02)
    assert samples["tollbook_paid_calls", "tm-grade", "grades"] == 1
    assert samples["tollbook_cached_calls", "tm-grade", "grades"] == 1
    assert samples["tollbook_delivered_purchases",] == 2
    assert samples["tollbook_open_purchases",] == 1


@pytest.mark.parametrize("name", METRICS)
def test_every_name_ends_in_its_unit(name: str) -> None:
    assert name.endswith(UNITS)


def test_where_they_can_not_be_written_that_is_logged_and_nothing_stops(
    environ: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "metrics").write_text("no folder")

    async def write() -> None:
        async with Workspace.open(environ) as ws:
            await write_metrics(ws)

    asyncio.run(write())
    assert "the metrics could not be written" in caplog.text


def test_quantiles_are_values_that_were_measured() -> None:
    assert [quantile_of([5, 1, 9], part) for part in (0.5, 0.95)] == [5, 9]
    assert quantile_of([7], 0.5) == 7
