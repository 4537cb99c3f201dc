"""Tokens are looked up in a catalogue that was read to its end, and read again before a token is called unknown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tasks.reference import catalogue as reference
from tasks.request.names import TOKENS
from tests.cli.conftest import Command, tollbook
from tests.warehouse.deliveries import T0, MemoryLedger, body, pieces
from warehouse.cache.store import Cache
from warehouse.load.report import LoadReport
from warehouse.load.self_repair import load as load_cache

if TYPE_CHECKING:
    from sandbox.world import World

__all__ = ["tollbook"]


def listed(number: int) -> dict[str, Any]:
    return {"TOKEN_ID": number, "TOKEN_NAME": f"Token {number}", "TOKEN_SYMBOL": f"T{number}"}


def test_some_pages_of_a_catalogue_are_no_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that read it was killed on the way; a symbol may fit a token on a page that is not there."""
    cache, books = Cache(tmp_path), MemoryLedger()
    first = next(piece for piece in pieces(TOKENS, ["*"], T0, T0, T0) if piece.page == 1)
    books.deliver(first, body(*map(listed, range(100))), T0)
    clock = SimpleNamespace(now=lambda: T0)

    async def in_thread(work: Any, *args: Any, **named: Any) -> Any:
        return work(*args, **named)

    ws: Any = SimpleNamespace(
        cache=cache, from_cache=lambda work: (work(cache), ()), clock=clock, in_thread=in_thread, has_wallet=True
    )

    async def loading(_ws: object) -> LoadReport:
        return load_cache(cache, books)

    async def fetch(_ws: object, _name: str) -> None:
        books.deliver(replace(first, page=2), body(listed(7000)), T0)
        load_cache(cache, books)

    monkeypatch.setattr(reference, "load", loading)
    monkeypatch.setattr(reference, "refresh_reference", fetch)
    assert len(asyncio.run(reference.catalogue(ws))[0]) == 101
    monkeypatch.delattr(reference, "refresh_reference")
    assert asyncio.run(reference.resolve_tokens(ws, "t7000,Token 3")) == (("7000", "3"), ())


def test_a_token_listed_since_is_found_before_it_is_called_unknown(tollbook: Command, world: World) -> None:
    """The catalogue is free: it is read again, once a day at most."""
    late = world.market.catalogue.tokens[-1]
    day = int(world.clock.time() // 86400)
    world.market.changes.hold_back("tokens", late.token_id, day, pages=1)
    assert tollbook("plan", "tm-grade", "--tokens", "3375", "--json").code == 0
    assert tollbook("plan", "tm-grade", "--tokens", str(late.token_id)).code == 2
    tomorrow = tollbook("plan", "tm-grade", "--tokens", str(late.token_id), "--json", TOLLBOOK_CLOCK_OFFSET="86400")
    assert tomorrow.code == 0, tomorrow.err
    [request] = tomorrow.document["flows"][0]["requests"]
    assert request["params"]["token_id"] == str(late.token_id)
