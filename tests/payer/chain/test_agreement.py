"""The words of several chain servers about one nonce become one view: row by row, in docs/payments.md's order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from payer.chain.reader import combine
from payer.values.chain_view import ChainView, NonceState, Settlement
from tests.payer import purchases as p

UNUSED, USED, CANCELLED = NonceState.UNUSED, NonceState.USED, NonceState.CANCELLED


def says(
    state: NonceState,
    final: NonceState | None = None,
    *,
    settlement: Settlement | None = None,
    head: int = 20,
    final_time: int = 1_000,
) -> ChainView:
    return ChainView(head, head * 2, head - 2, final_time, state, state if final is None else final, settlement)


PAID = says(USED, settlement=p.settlement())
PAID_NOT_FINAL = says(USED, UNUSED, settlement=p.settlement(final=False))
DUST = says(USED, settlement=p.settlement(value=1))
NO_LOGS = says(USED)
NOTHING = says(UNUSED)
BEHIND = says(UNUSED, head=p.settlement().block_number - 1)
BURNED = says(CANCELLED)
BURNED_AT_HEAD = says(CANCELLED, UNUSED)

# what they say, of how many configured; then: state, state at the final block, agreed, value settled, whether final
ROWS: dict[str, tuple[list[ChainView], int, tuple[NonceState, NonceState, bool, int | None, bool]]] = {
    "one-of-one-unused": ([NOTHING], 1, (UNUSED, UNUSED, True, None, False)),
    "one-of-one-paid": ([PAID], 1, (USED, USED, True, p.PRICE, True)),
    "one-of-one-cancelled": ([BURNED], 1, (CANCELLED, CANCELLED, True, None, False)),
    "both-unused": ([NOTHING, NOTHING], 2, (UNUSED, UNUSED, True, None, False)),
    "one-of-two-unused": ([NOTHING], 2, (UNUSED, UNUSED, False, None, False)),
    "two-of-three-unused": ([NOTHING, NOTHING], 3, (UNUSED, UNUSED, True, None, False)),
    "one-of-three-unused": ([NOTHING], 3, (UNUSED, UNUSED, False, None, False)),
    "both-cancelled": ([BURNED, BURNED], 2, (CANCELLED, CANCELLED, True, None, False)),
    "one-of-two-cancelled": ([BURNED], 2, (CANCELLED, CANCELLED, False, None, False)),
    "cancelled-and-unused": ([BURNED, NOTHING], 2, (USED, UNUSED, False, None, False)),
    "cancelled-final-for-one-only": ([BURNED, BURNED_AT_HEAD], 2, (CANCELLED, UNUSED, False, None, False)),
    "cancelled-and-paid": ([BURNED, PAID], 2, (USED, UNUSED, False, None, False)),
    "both-paid": ([PAID, PAID], 2, (USED, USED, True, p.PRICE, True)),
    "paid-and-paid-not-final-yet": ([PAID, PAID_NOT_FINAL], 2, (USED, UNUSED, False, p.PRICE, False)),
    "one-of-two-paid": ([PAID], 2, (USED, USED, False, p.PRICE, False)),
    "paid-and-no-logs": ([PAID, NO_LOGS], 2, (USED, USED, True, p.PRICE, False)),
    "paid-and-behind": ([PAID, BEHIND], 2, (USED, UNUSED, False, p.PRICE, False)),
    "paid-and-unused": ([PAID, NOTHING], 2, (USED, UNUSED, False, None, False)),
    "paid-for-two-values": ([PAID, DUST], 2, (USED, USED, True, None, False)),
    "one-unit-against-two": ([PAID, DUST, PAID], 3, (USED, USED, True, None, False)),
    "two-paid-one-unused": ([PAID, PAID, NOTHING], 3, (USED, UNUSED, False, None, False)),
    "two-unused-one-paid": ([NOTHING, NOTHING, PAID], 3, (USED, UNUSED, False, None, False)),
    "used-without-a-transfer": ([NO_LOGS, NOTHING], 2, (USED, UNUSED, False, None, False)),
}


@pytest.mark.parametrize(("views", "configured", "expected"), ROWS.values(), ids=ROWS)
def test_what_servers_say_becomes_one_view(
    views: list[ChainView], configured: int, expected: tuple[NonceState, NonceState, bool, int | None, bool]
) -> None:
    """I3, I9."""
    for ordered in (views, views[::-1]):
        one = combine(ordered, configured)
        value = None if one.settlement is None else one.settlement.value
        final = one.settlement is not None and one.settlement.final
        assert (one.state, one.state_final, one.agreed, value, final) == expected


def test_the_oldest_head_and_the_oldest_final_block_count() -> None:
    """I3: the later of two final blocks may be a lie that proves a live payment dead."""
    ahead, behind = says(UNUSED, head=90, final_time=5_000), says(UNUSED, head=80, final_time=4_000)
    one = combine([ahead, behind], 2)
    assert (one.head_number, one.head_time, one.final_number, one.final_time) == (80, 160, 78, 4_000)


def test_one_server_alone_is_passed_on_as_it_is() -> None:
    for view in (PAID, DUST, NO_LOGS, NOTHING, BURNED, PAID_NOT_FINAL):
        assert combine([view], 1) == replace(view)
