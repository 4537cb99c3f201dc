"""Authorizations that one purchase comes to under a fault, with one ordinary retry by the caller."""

from __future__ import annotations

from bench.payer_desk import Market, Reference, Tollbook
from bench.rows import Row

FAULTS = {
    "no fault": "",
    "the answer is lost after settling": "reset_after",
    "no answer within the caller's patience": "hang_after",
    "500 after settling": "status_after",
    "a fresh 402 after settling": "again_402_after",
    "402 with a failed receipt after settling": "failed_402_after",
    "402 with a pending receipt after settling": "pending_402_after",
    "half a body after settling": "truncated",
    "reset before settling": "reset_before",
    "the facilitator answers 500 after settling": "settle_500_after",
}
_TRIES = 2


async def rows(place: Market) -> list[Row]:
    return [await _row(place, measure, fault) for measure, fault in FAULTS.items()]


async def _row(place: Market, measure: str, fault: str) -> Row:
    signed, paid = {}, {}
    for name in ("ours", "peer"):
        place.calm()
        if fault:
            place.fault(fault, **_params(fault))
        buyer = Tollbook(place, timeout_seconds=2) if name == "ours" else Reference(place, timeout=2.0)
        async with buyer:
            [order] = place.pieces(1)
            if isinstance(buyer, Tollbook):
                await buyer.try_hard(order, _TRIES)
            else:
                await buyer.get(order, tries=_TRIES)
        signed[name] = len({visit["nonce"] for visit in place.visits() if visit["nonce"]})
        paid[name] = place.paid(buyer.address)
    place.calm()
    return Row(
        f"authorizations: {measure}",
        f"{signed['ours']} (paid {paid['ours']} ×)",
        f"{signed['peer']} (paid {paid['peer']} ×)",
        signed["ours"] / signed["peer"],
        1.0 if signed["ours"] == 1 and paid["ours"] <= 1 else 0.0,
    )


def _params(fault: str) -> dict[str, object]:
    if fault.startswith("hang"):
        return {"seconds": 2.5}
    return {"path": "/settle"} if fault.startswith("settle") else {}
