"""How a world behaves when nothing is broken. Read at each request, so a test may change it while the world runs."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal


@dataclasses.dataclass(slots=True)
class WorldSettings:
    """`x402_version` is what the plain seller path speaks; /x402v1/… and /x402v2/… always speak theirs.

    `simulate_in_settle` is the SDK's: with it a settlement that would revert is not broadcast.
    `resend`: an identical second presentation of a settled payment is refused (as the SDK does) or served again.
    `rate`: requests a second that the seller takes before it answers 429, None for no limit; `burst` may come at once.
    `retry_after`: whether 429 says when to come back. `prices`: atoms by endpoint name, over the built-in table.
    `tmai`: also sell for the 18-decimals token, 10 % cheaper. `empty`: what a search that finds nothing answers.
    `payment_identifier`: not offered, offered and ignored (as the SDK does), or honoured.
    `latency`: seconds the seller waits before each answer. `confirmation_timeout`: seconds the facilitator waits for a
    receipt before it calls a settlement pending. `facilitator_timeout`: seconds the seller waits for the facilitator,
    read when the world starts.
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
    payment_identifier: Literal["none", "ignored", "honoured"] = "none"
    latency: float = 0.0
    prices: dict[str, int] = dataclasses.field(default_factory=dict)
    confirmation_timeout: float = 3.0
    facilitator_timeout: float = 30.0

    def update(self, **changes: Any) -> None:
        """Change some settings; raises ValueError for an unknown name."""
        known = {one.name for one in dataclasses.fields(self)}
        if unknown := changes.keys() - known:
            raise ValueError(f"unknown settings {sorted(unknown)}; there are {sorted(known)}")
        for name, value in changes.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
