"""A seller that doesn't answer is asked once, not once per endpoint."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from payer.values.errors import SellerUnreachable
from tasks.ops import probe as module
from tasks.ops.probe import Probe, probe


class Ws:
    """As much of a workspace as a probe without an answer needs."""

    ledger = None

    def asset(self, _seller: str) -> None: ...

    async def in_thread(self, work: Any) -> Any:
        return work()


def asked(monkeypatch: pytest.MonkeyPatch, answers: list[int | None]) -> list[str]:
    names: list[str] = []

    async def one(_ws: Any, dataset: Any) -> Probe:
        names.append(dataset.name)
        status = answers.pop(0)
        problem = None if status else SellerUnreachable("tokenmetrics did not answer")
        return Probe(dataset.name, "GET x", status, None, "0.10", problem)

    monkeypatch.setattr(module, "_probe_one", one)
    return names


def test_a_dead_seller_is_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = asked(monkeypatch, [None])
    with pytest.raises(SellerUnreachable):
        asyncio.run(probe(Ws(), "tokenmetrics"))  # type: ignore[arg-type]
    assert len(names) == 1


def test_a_seller_that_dies_meanwhile_is_shown_as_far_as_it_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    names = asked(monkeypatch, [402, 402, None])
    found = asyncio.run(probe(Ws(), "tokenmetrics"))  # type: ignore[arg-type]
    assert [one.ok for one in found] == [True, True, False]
    assert len(names) == 3
