"""The wish of a caller: an HTTP request, an order for it, and the run that orders.

Times are aware UTC datetimes. Amounts are integers of atomic units of the seller's asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

CLIENT = "client"
"""The key of an order's context that names the program which made the request: its body is for no table."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as the seller sees it, without the payment. `url` has no query; `params` are sorted.

    `headers` are the seller's static headers and not part of the purchase key.
    """

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def endpoint(self) -> str:
        """Method and URL without parameters: what a quote is for."""
        return f"{self.method} {self.url}"

    @property
    def full_url(self) -> str:
        """The URL with its parameters, as the seller's log shows it."""
        query = "&".join(f"{name}={value}" for name, value in self.params)
        return f"{self.url}?{query}" if query else self.url


@dataclass(frozen=True, slots=True)
class Order:
    """One piece of a plan: a request in one edition.

    `context` is the plan's JSON about the piece (cells, page): kept with the purchase, never read by the payer.
    `price_cap` is the dataset's own price ceiling in atomic units of the seller's asset; policy's caps apply as well.
    A `free` order is never paid for: a 402 to it is refused.
    """

    request: Request
    edition: str
    seller: str
    dataset: str
    context: Mapping[str, Any] = field(default_factory=dict)
    price_cap: int | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """The execution of a flow that buys, and why; every purchase names its run.

    `budget` is the caller's own ceiling (`--max-cost`), in atomic units.
    """

    run_id: str
    flow: str
    reason: str
    started_at: datetime
    deployment: str | None = None
    flow_run_id: str | None = None
    budget: int | None = None
