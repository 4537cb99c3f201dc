"""The steps of a run as one value: the plain functions here, the same as Prefect tasks in `tasks/prefect/steps.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from payer.buy.approve import Approved
from payer.settle.recover import Recovered
from payer.values.errors import PayerError
from payer.values.request import Run
from tasks.buy.bill import Bill
from tasks.buy.outcome import Bought
from tasks.buy.plan import Planned, note_avoided, plan
from tasks.buy.publish import LeftToPublisher, load, publish
from tasks.buy.purchase import BuyStep, approve, buy, recover, verify
from tasks.buy.quote import quote
from tasks.request.model import DataRequest
from tasks.workspace.workspace import Workspace
from warehouse.load.report import LoadReport
from warehouse.publish.publication import Publication


@dataclass(frozen=True, slots=True)
class Steps:
    """The functions that `flows.ingest.ingest` calls, in this order. `dataclasses.replace` one to change a run."""

    recover: Callable[[Workspace, str | None], Awaitable[Recovered]]
    load: Callable[[Workspace], Awaitable[LoadReport]]
    plan: Callable[[Workspace, DataRequest], Awaitable[Planned]]
    quote: Callable[[Workspace, Planned, Mapping[str, PayerError]], Awaitable[Bill]]
    note_avoided: Callable[[Workspace, Run, Planned], Awaitable[None]]
    approve: Callable[[Workspace, Run, Bill], Awaitable[Approved]]
    buy: BuyStep
    verify: Callable[[Workspace, Sequence[Bought]], Awaitable[list[Bought]]]
    publish: Callable[[Workspace], Awaitable[Publication | LeftToPublisher | None]]


PLAIN = Steps(recover, load, plan, quote, note_avoided, approve, buy, verify, publish)


async def publish_later(_ws: Workspace) -> None:
    """Take the place of `publish` in a run whose command publishes once at its end."""
