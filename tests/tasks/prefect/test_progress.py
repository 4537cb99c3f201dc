"""The progress artifact of a flow run: created once, updated while the run buys, and never in its way."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.cli.test_progress import listing, paid

LOG = logging.getLogger("tests.progress")


class Server:
    """Keeps the artifact as Prefect would."""

    def __init__(self, *, down: bool = False) -> None:
        self.down, self.made = down, 0
        self.shown: list[tuple[float, str]] = []
        self.key = ""

    async def create(self, *, progress: float, key: str, description: str) -> UUID:
        if self.down:
            raise ConnectionError("no server")
        self.made, self.key = self.made + 1, key
        self.shown.append((progress, description))
        return uuid4()

    async def update(self, _artifact: UUID, *, progress: float, description: str) -> None:
        self.shown.append((progress, description))


def follow(monkeypatch: pytest.MonkeyPatch, server: Server, pages: int = 2) -> None:
    from tasks.prefect import progress as prefect_progress

    patched: dict[str, Any] = {
        "create_progress_artifact": server.create,
        "update_progress_artifact": server.update,
        "EVERY_SECONDS": 0.0,
    }
    for name, value in patched.items():
        monkeypatch.setattr(prefect_progress, name, value)

    async def run() -> None:
        async with prefect_progress.ProgressArtifact(LOG) as watch:
            watch.bill(listing(2))
            for page in range(pages):
                watch.bought(paid(page), 100, None)
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_one_artifact_rises_to_the_bills_total(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    follow(monkeypatch, server)
    assert (server.made, server.key) == (1, "grades-progress")
    percents = [percent for percent, _ in server.shown]
    assert percents == sorted(percents)
    assert {50.0, 100.0} <= set(percents)
    assert server.shown[-1][1].startswith("2 of 2 calls, 200 rows, ")


def test_a_run_that_ends_early_leaves_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    follow(monkeypatch, server, pages=1)
    assert server.shown[-1][0] == 50.0


def test_a_server_that_is_away_stops_nothing_and_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    follow(monkeypatch, Server(down=True))
    assert "the progress artifact could not be written: no server" in caplog.text
