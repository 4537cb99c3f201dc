"""From pieces to orders: what the payer is told of each call."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from payer.values.money import Asset
from sources import registry
from sources.planner.held import NOTHING_HELD
from sources.planner.plan import plan
from sources.slots import slot
from tasks.buy.plan import _held, order
from tasks.request.model import DataRequest, DatasetRequest
from tests.sources.buyer import AT
from tests.warehouse.deliveries import DAY, T0, MemoryLedger, body, grade, pieces
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load

USDC = Asset("USDC", 31337, "0x0000000000000000000000000000000000000001", "USD Coin", "2", 6)
TMAI = Asset("TMAI", 31337, "0x0000000000000000000000000000000000000002", "TMAI", "1", 18)
OTHER = Asset("EURC", 31337, "0x0000000000000000000000000000000000000003", "EURC", "2", 6)


@pytest.mark.parametrize(
    ("name", "asset", "seen", "ceiling"),
    [
        ("trading-signals", USDC, 17_000, 34_000),
        ("trading-signals", TMAI, 0, None),
        ("hourly-trading-signals", USDC, 34_000, 68_000),
        ("quantmetrics", USDC, 68_000, 100_000),
        ("trading-signals", OTHER, 0, None),
        ("price", USDC, 0, None),
    ],
)
def test_an_order_may_cost_twice_the_dollars_that_were_seen_and_in_other_tokens_what_policy_says(
    name: str, asset: Asset, seen: int, ceiling: int | None
) -> None:
    """I6: under policy's own ceiling, which alone holds for a token whose worth in dollars moves."""
    dataset = registry.dataset(name)
    here = slot(dataset, AT)
    piece = plan(dataset, ["3375"], here, here, NOTHING_HELD, AT, AT).pieces[0]
    policy = SimpleNamespace(sellers={dataset.seller: SimpleNamespace(base_url="http://127.0.0.1:1/v2")})
    ws: Any = SimpleNamespace(seller=policy.sellers.__getitem__, asset=lambda _: asset)
    made = order(ws, dataset, piece)
    assert made.price_cap == ceiling
    assert ceiling is None or seen < ceiling <= 2 * seen


def test_a_day_that_a_snapshot_saw_is_bought_from_the_history_once_it_has_settled(tmp_path: Path) -> None:
    """At 06:00 of the next day. Until then what the snapshot saw is shown, and the history need not be asked."""
    history, books, cache = registry.dataset("tm-grade-history"), MemoryLedger(), Cache(tmp_path)
    [page, *_] = pieces("tm-grade", ["1"], T0, T0, T0)
    books.deliver(page, body({**grade(1, T0), "DATE": None}), T0)
    load(cache, books)
    ws: Any = SimpleNamespace(from_cache=lambda work: (work(cache), ()))
    day, midnight = slot(history, T0), T0.replace(hour=0) + DAY
    part = DatasetRequest(history.name, ("1",), day, day)
    for at, bought in ((T0, False), (midnight + timedelta(hours=5.9), False), (midnight + timedelta(hours=6), True)):
        request = DataRequest("grades", "test", history.seller, at, (part,))
        cells, notes = _held(ws, history, part, request, at)
        assert (dict(cells.spans), notes) == ({} if bought else {"1": ((day, day),)}, ())
