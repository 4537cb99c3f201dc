"""Settings of a world without faults. They are read at each request: a test may change them while the world runs."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal


@dataclasses.dataclass(slots=True)
class WorldSettings:
    """The settings, with the SDK's behaviour as default.

    - `x402_version`: of the plain seller paths; /x402v1/… and /x402v2/… always use theirs.
    - `max_timeout`: seconds that the terms allow for a payment. `latency`: seconds before each answer of the seller.
    - `simulate_in_settle`: the SDK simulates first, and doesn't broadcast a settlement that would revert.
    - `resend`: presenting a settled payment again is refused (as the SDK does) or served again.
    - `rate`: requests a second before 429, None for no limit; `burst` may come at once. `retry_after`: 429 says when.
    - `prices`: atomic units by endpoint name, instead of the built-in prices. `tmai`: also sell for the 18-decimals
      token, 10 % cheaper. `empty`: the status of a search without results. `page_rows`: the most rows of a page,
      whatever is asked for (None: as many as are asked for).
    - `payment_identifier`: not offered, offered and ignored (as the SDK does), or honoured.
    - `confirmation_timeout`: seconds that the facilitator waits for a receipt before it calls a settlement pending.
    - `facilitator_timeout`: seconds that the seller waits for the facilitator; read when the world starts.
    """

    x402_version: Literal[1, 2] = 2
    max_timeout: int = 300
    simulate_in_settle: bool = False
    resend: Literal["refused", "served"] = "refused"
    rate: float | None = None
    burst: int = 20
    retry_after: bool = True
    tmai: bool = False
    empty: Literal["200", "404"] = "200"
    page_rows: int | None = None
    payment_identifier: Literal["none", "ignored", "honoured"] = "none"
    latency: float = 0.0
    prices: dict[str, int] = dataclasses.field(default_factory=dict)
    confirmation_timeout: float = 3.0
    facilitator_timeout: float = 30.0

    def update(self, **changes: Any) -> None:
        """Change some settings; raises ValueError for an unknown name."""
        known = {field.name for field in dataclasses.fields(self)}
        if unknown := changes.keys() - known:
            raise ValueError(f"unknown settings {sorted(unknown)}; there are {sorted(known)}")
        for name, value in changes.items():
            setattr(self, name, value)
