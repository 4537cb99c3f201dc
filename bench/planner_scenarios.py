"""Demands to plan, from one token's day to five thousand tokens' years: what is missing, and how it came to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sources.planner.rectangles import CallLimits

Mask = npt.NDArray[np.bool_]

DAILY = CallLimits(page_rows=100, step_rows=1, width=29, ids=100)
HOURLY = CallLimits(page_rows=100, step_rows=24, width=29, ids=100)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`missing` is keys × days. `small` ones have their optimum computed; `dense` ones have no holes."""

    name: str
    missing: Mask
    limits: CallLimits = DAILY
    small: bool = False

    @property
    def dense(self) -> bool:
        return bool(self.missing.all())


def full(keys: int, days: int) -> Mask:
    return np.ones((keys, days), dtype=np.bool_)


def holes(seed: int, keys: int, days: int, density: float) -> Mask:
    return np.random.default_rng(seed).random((keys, days)) < density


def scenarios() -> Iterator[Scenario]:
    """The whole list, small ones first."""
    yield from _small()
    yield from _dense()
    yield from _broken()


def _dense() -> Iterator[Scenario]:
    sizes = [(1, 1), (1, 365), (1, 1461), (2, 29), (3, 29), (7, 29), (13, 29), (17, 29), (5, 90), (7, 365), (13, 365)]
    sizes += [(29, 29), (50, 1), (50, 2), (50, 365), (100, 29), (101, 1), (333, 30), (500, 365), (1000, 7), (5000, 1)]
    sizes += [(5000, 30), (5000, 1461)]
    for keys, days in sizes:
        yield Scenario(f"dense, {keys} × {days} days", full(keys, days))
    for keys, days in [(1, 30), (4, 7), (25, 25), (50, 90)]:
        yield Scenario(f"dense by the hour, {keys} × {days} days", full(keys, days), HOURLY)


def _small() -> Iterator[Scenario]:
    shapes = [(1, 4, 30, 0.2), (2, 6, 24, 0.1), (3, 9, 20, 0.5), (4, 12, 25, 0.05), (5, 8, 40, 0.15), (6, 10, 28, 0.3)]
    shapes += [(7, 5, 60, 0.1), (8, 14, 18, 0.4), (9, 3, 75, 0.3), (10, 11, 35, 0.08)]
    for seed, keys, days, density in shapes:
        name = f"random holes, {keys} × {days} days, {density:.0%} missing"
        yield Scenario(name, holes(seed, keys, days, density), small=True)
    yield Scenario("random holes, 20 × 12 days, 30% missing", holes(11, 20, 12, 0.3), small=True)
    yield Scenario("random holes, 30 × 8 days, 25% missing", holes(12, 30, 8, 0.25), small=True)
    yield Scenario("holes by the hour, 4 × 12 days, 40% missing", holes(13, 4, 12, 0.4), HOURLY, small=True)
    yield Scenario("holes by the hour, 6 × 8 days, 50% missing", holes(14, 6, 8, 0.5), HOURLY, small=True)
    strays = holes(0, 13, 45, 0.03)
    strays[:, 29:] = True
    yield Scenario("old strays and a new fortnight, 13 × 45 days", strays, small=True)
    yield Scenario("listed one after another, 8 × 40 days", np.triu(full(8, 40), 10), small=True)
    three = np.zeros((12, 40), dtype=np.bool_)
    three[:, [3, 4, 19, 20, 21, 38]] = True
    yield Scenario("three outages, 12 × 40 days", three, small=True)


def _broken() -> Iterator[Scenario]:
    outage = np.zeros((50, 365), dtype=np.bool_)
    outage[:, 200:210] = True
    yield Scenario("one outage of ten days, 50 × 365 days", outage)
    weekly = np.zeros((50, 365), dtype=np.bool_)
    weekly[:, ::7] = True
    yield Scenario("an outage every week, 50 × 365 days", weekly)
    new = np.zeros((60, 365), dtype=np.bool_)
    new[50:] = True
    new[:, -2:] = True
    yield Scenario("ten tokens new to a watch list of fifty, 365 days", new)
    yield Scenario("listed through the year, 50 × 365 days", late(50, 365))
    yield Scenario("random holes, 20 × 90 days, 20% missing", holes(21, 20, 90, 0.2))
    yield Scenario("random holes, 50 × 365 days, 20% missing", holes(22, 50, 365, 0.2))
    yield Scenario("random holes, 500 × 365 days, 5% missing", holes(23, 500, 365, 0.05))
    yield Scenario("random holes, 5000 × 365 days, 1% missing", holes(24, 5000, 365, 0.01))


def late(keys: int, days: int) -> Mask:
    """Key n has rows from day n × days ÷ keys on."""
    starts = np.arange(keys)[:, None] * days // keys
    found: Mask = np.arange(days)[None, :] >= starts
    return found
