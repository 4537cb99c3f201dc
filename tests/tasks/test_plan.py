"""From pieces to orders: what the payer is told of each call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.sources.market import AT
from tollbook.payer.money import Asset
from tollbook.sources import registry
from tollbook.sources.planner import NOTHING, plan
from tollbook.sources.slots import slot
from tollbook.tasks.plan import order

USDC = Asset("USDC", 31337, "0x0000000000000000000000000000000000000001", "USD Coin", "2", 6)
TMAI = Asset("TMAI", 31337, "0x0000000000000000000000000000000000000002", "TMAI", "1", 18)
OTHER = Asset("EURC", 31337, "0x0000000000000000000000000000000000000003", "EURC", "2", 6)


@pytest.mark.parametrize(
    ("name", "asset", "seen", "ceiling"),
    [
        ("trading-signals", USDC, 17_000, 34_000),
        ("trading-signals", TMAI, 15_300 * 10**12, 30_600 * 10**12),
        ("hourly-trading-signals", USDC, 34_000, 68_000),
        ("quantmetrics", USDC, 68_000, 100_000),
        ("quantmetrics", TMAI, 61_200 * 10**12, 90_000 * 10**12),
        ("trading-signals", OTHER, 0, None),
        ("price", USDC, 0, None),
    ],
)
def test_an_order_may_cost_twice_what_was_seen_in_the_asset_it_is_paid_in(
    name: str, asset: Asset, seen: int, ceiling: int | None
) -> None:
    """I6: under policy's own ceiling, which alone holds for an asset that nothing is declared in."""
    dataset = registry.dataset(name)
    seller = registry.seller_of(dataset)
    here = slot(dataset, AT)
    piece = plan(dataset, seller, ["3375"], here, here, NOTHING, AT, AT).pieces[0]
    policy = SimpleNamespace(sellers={seller.name: SimpleNamespace(base_url="http://127.0.0.1:1/v2")})
    ws: Any = SimpleNamespace(policy=policy, asset=lambda _: asset)
    made = order(ws, dataset, piece)
    assert made.price_cap == ceiling
    assert ceiling is None or seen < ceiling <= 2 * seen
