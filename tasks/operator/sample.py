"""The smallest request of a dataset, to ask its seller for terms with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from payer.values.request import Order
from sources import registry
from sources.planner.held import HeldCells
from sources.planner.plan import plan
from sources.slots import slot
from tasks.buy.plan import order
from tasks.request.keys import keys_for, sold_by_key
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sources.model import Dataset

SAMPLE_KEY = "1"
"""The key to ask an endpoint with that is not sold by token: terms are the same for every key."""


def sample_order(ws: Workspace, dataset: Dataset) -> Order:
    """Return the smallest request that the dataset takes."""
    now = ws.clock.now()
    current = slot(dataset, now)
    keys = (SAMPLE_KEY,) if sold_by_key(dataset) else keys_for(ws, dataset)[0]
    sample = plan(dataset, registry.seller(dataset.seller), keys[:1], current, current, HeldCells(), at=now, now=now)
    return order(ws, dataset, sample.pieces[0])
