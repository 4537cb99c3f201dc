"""The payer beside the official SDK's client: the same seller, the same run, turn and turn about."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench import payer_claims, payer_faults, payer_httpx
from bench.payer_desk import Market, Reference, Round, Tollbook, market
from bench.rows import Row

TITLE = "Payer: tollbook (every step durable) beside x402[httpx] 2.25.0 (nothing kept)"

_CALLS, _ROUNDS = 20, 10
_MS = 1000.0


def rows() -> Iterator[Row]:
    with market() as place:
        yield from asyncio.run(_speed(place))
        yield from payer_claims.rows()
        yield from payer_httpx.rows()
        yield from asyncio.run(payer_faults.rows(place))


async def _speed(place: Market) -> list[Row]:
    async with Tollbook(place) as ours, Reference(place) as peer:
        await ours.buy(place.pieces(3))
        await peer.buy(place.pieces(3))
        place.calm()
        serial = await _in_turns(place, ours, peer)
        visits = place.visits()
        parallel = await _in_turns(place, ours, peer, at_once=8)
        place.set(latency=0.05)
        distant = await _in_turns(place, ours, peer, rounds=3)
        place.set(latency=0.0)
    rounds = [mine for mine, _ in serial]
    return [
        _pair("a paid call, serial: request to body", serial, aim=1.0),
        _pair("a paid call, 8 at once", parallel),
        _pair("a paid call, serial, seller 50 ms away", distant, aim=0.7),
        _whole("the run around it, chain asked before and after", serial),
        _round_trips(visits, _CALLS * _ROUNDS),
        _commits(rounds[0].commits, place.folder),
        _ledger(rounds),
    ]


def _ledger(rounds: list[Round]) -> Row:
    """The quickest round of each, as everywhere here."""
    ledger, run = min(one.ledger for one in rounds), min(one.run for one in rounds)
    return Row("the ledger's share of a run", f"{_ms(ledger)} a call", _ms(run), ledger / run, 0.05, "fsync included")


async def _in_turns(
    place: Market, ours: Tollbook, peer: Reference, *, at_once: int = 1, rounds: int = _ROUNDS
) -> list[tuple[Round, Round]]:
    """ABAB, so that both meet the same noise."""
    return [
        (await ours.buy(place.pieces(_CALLS), at_once=at_once), await peer.buy(place.pieces(_CALLS), at_once=at_once))
        for _ in range(rounds)
    ]


def _pair(measure: str, turns: list[tuple[Round, Round]], aim: float | None = None) -> Row:
    ours, theirs = [mine.call for mine, _ in turns], [other.call for _, other in turns]
    return _times(measure, ours, theirs, aim)


def _whole(measure: str, turns: list[tuple[Round, Round]]) -> Row:
    note = "the SDK's client asks the chain nothing"
    return _times(measure, [mine.run for mine, _ in turns], [other.call for _, other in turns], None, note)


def _times(measure: str, ours: list[float], theirs: list[float], aim: float | None, note: str = "") -> Row:
    """The quickest round of each: whatever else the machine does only ever adds."""
    mine, other = min(ours), min(theirs)
    return Row(measure, _ms(mine), _ms(other), mine / other, aim, note)


def _ms(seconds: float) -> str:
    return f"{seconds * _MS:.1f} ms"


def _round_trips(visits: list[dict[str, object]], paid: int) -> Row:
    """Ours never asks unpaid here: terms are known from the warm-up. Each buyer made half of the paid visits."""
    settled = sum(visit["leg"] == "paid" for visit in visits)
    unpaid = len(visits) - settled
    ours, theirs = settled / 2 / paid, (settled / 2 + unpaid) / paid
    return Row("round trips to the seller per paid call", f"{ours:.2f}", f"{theirs:.2f}", ours / theirs)


def _commits(per_call: float, folder: Path) -> Row:
    note = "two per purchase; the run's own are shared by its calls"
    return Row(
        "durable commits per paid call", f"{per_call:.2f}", f"this disk's fsync: {_ms(_fsync(folder))}", note=note
    )


def _fsync(folder: Path) -> float:
    """The median time to make 4 KiB durable, the way the store does."""
    took = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)
