"""Transfers of the wallet that this ledger does not have: kept, and counted in the caps where they are checked (I3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from payer.ledger import Ledger
from payer.ledger.transfers import KEPT, SpendScan
from payer.policy.rules import Caps, SellerCaps
from payer.values.chain_view import TransferOut
from payer.values.errors import OverBudget
from payer.values.events import Sent, Settled, Void
from tests.payer import purchases as p

DAY, MONTH = ("day", "2026-11-22"), ("month", "2026-11")
OTHER_PAYEE = "0x" + "99" * 20
THIS_MONTH = datetime(2026, 11, 1, tzinfo=UTC)
ROOMY = Caps(100_000, 10**9, 10**9, 10**9, 10**9)


def caps(**limits: object) -> Mapping[str, Caps]:
    return {"USDC": replace(ROOMY, **limits)}  # type: ignore[arg-type]


def transfer(number: int, value: int = p.PRICE, *, pay_to: str = p.PAYEE, nonce: str | None = None) -> TransferOut:
    return TransferOut(f"0x{number:064x}", 3, 100 + number, "0x" + "bb" * 32, pay_to, value, nonce)


def paid(ledger: Ledger, *transfers: TransferOut, at: datetime = p.NOW, wallet: str = p.PAYER) -> None:
    """A count of blocks that hold these transfers."""
    ledger.elsewhere.begin(p.USDC, wallet, SpendScan(THIS_MONTH, 0, -1), p.NOW)
    first, last = min(t.block_number for t in transfers), max(t.block_number for t in transfers)
    ledger.elsewhere.close(p.USDC, wallet, range(first, last + 1), [(t, at) for t in transfers], last, p.NOW)


def totals(ledger: Ledger, limits: Mapping[str, Caps] | None = None) -> dict[tuple[str, str], int]:
    found = ledger.elsewhere.totals(p.USDC, p.run(), "s", (limits or caps())["USDC"], p.PAYER)
    return {bucket: amount for bucket, amount in found.items() if amount}


def nonce_of(number: int) -> str:
    return p.wanted(number).nonce


@pytest.mark.parametrize(
    ("limits", "key"),
    [
        pytest.param({"per_day": 3 * p.PRICE}, "caps.USDC.per_day", id="day"),
        pytest.param({"per_month": 3 * p.PRICE}, "caps.USDC.per_month", id="month"),
        pytest.param({"sellers": {"s": SellerCaps(3 * p.PRICE, None, (p.PAYEE,))}}, "sellers.s.per_day", id="seller"),
        pytest.param({"sellers": {"s": SellerCaps(None, 3 * p.PRICE, (p.PAYEE,))}}, "sellers.s.per_month", id="both"),
    ],
)  # fmt: skip
def test_what_the_wallet_paid_elsewhere_counts_in_the_transaction_that_reserves(
    ledger: Ledger, limits: dict[str, object], key: str
) -> None:
    paid(ledger, transfer(1), transfer(2, nonce="0x" + "cc" * 32))
    ledger.reserve(p.run("one"), [p.wanted(1)], caps(**limits), p.LEASE)
    with pytest.raises(OverBudget) as refused:
        ledger.reserve(p.run("two"), [p.wanted(2)], caps(**limits), p.LEASE)
    assert refused.value.what.startswith(f"{key} is 0.06 USDC: 0.06 USDC are committed and 0.02 USDC more were asked")
    assert "0.04 USDC of it this wallet paid elsewhere" in refused.value.what
    assert len(ledger.purchases()) == 1


@pytest.mark.parametrize("cap", ["per_run", "per_flow_day"])
def test_no_transfer_names_a_run_or_a_flow(ledger: Ledger, cap: str) -> None:
    paid(ledger, transfer(1), transfer(2))
    assert ledger.reserve(p.run(), [p.wanted(1)], caps(**{cap: p.PRICE}), p.LEASE)


def test_policy_may_leave_the_chain_out(ledger: Ledger) -> None:
    paid(ledger, transfer(1))
    alone = caps(per_day=p.PRICE, counts_elsewhere=False)
    assert totals(ledger, alone) == {}
    assert ledger.reserve(p.run(), [p.wanted(1)], alone, p.LEASE)


def test_a_piece_that_another_home_bought_counts_once(ledger: Ledger) -> None:
    """Before this ledger books it on the chain's side, then in its own buckets, and back when it is void again."""
    paid(ledger, transfer(1, nonce=nonce_of(1)))
    tight = caps(per_day=p.PRICE)
    assert totals(ledger) == {DAY: p.PRICE, MONTH: p.PRICE}
    [reserved] = ledger.reserve(p.run(), [p.wanted(1)], tight, p.LEASE)
    assert totals(ledger) == {}
    assert ledger.committed(p.USDC)[DAY] == p.PRICE
    ledger.append(reserved, Void(at=p.NOW, reason="never sent"))
    assert totals(ledger) == {DAY: p.PRICE, MONTH: p.PRICE}
    with pytest.raises(OverBudget):
        ledger.reserve(p.run("two"), [p.wanted(2)], tight, p.LEASE)


def test_what_moved_beyond_a_purchases_own_amount_counts(ledger: Ledger) -> None:
    """Another home signed the same nonce at a dearer price."""
    paid(ledger, transfer(1, p.PRICE + 4_000, nonce=nonce_of(1)))
    ledger.reserve(p.run(), [p.wanted(1)], caps(), p.LEASE)
    assert totals(ledger) == {DAY: 4_000, MONTH: 4_000}


def test_a_dearer_signature_stays_inside_what_the_wallet_may_spend(ledger: Ledger) -> None:
    limits = caps(per_day=2 * p.PRICE)
    [held] = ledger.reserve(p.run(), [p.wanted(1)], limits, p.LEASE)
    sent = ledger.append(held, p.signed(held), Sent(at=p.NOW))
    paid(ledger, transfer(1))
    with pytest.raises(OverBudget, match="paid elsewhere"):
        ledger.append(sent, p.signed(sent, p.PRICE + 1), caps=limits)


def test_a_day_and_a_month_count_what_was_paid_in_them_by_the_chains_time(ledger: Ledger) -> None:
    paid(ledger, transfer(1), at=datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC))
    paid(ledger, transfer(2), at=datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC))
    paid(ledger, transfer(3), at=datetime(2026, 12, 1, tzinfo=UTC))
    assert totals(ledger) == {MONTH: p.PRICE}
    paid(ledger, transfer(4), at=datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    later = p.run(at=datetime(2026, 12, 31, 12, tzinfo=UTC))
    found = ledger.elsewhere.totals(p.USDC, later, "s", ROOMY, p.PAYER)
    assert (found["day", "2026-12-31"], found["month", "2026-12"]) == (p.PRICE, 2 * p.PRICE)


def test_a_seller_counts_what_went_to_its_payees(ledger: Ledger) -> None:
    """Those that policy lists, or the one that is recorded; without either nothing can be told apart."""
    paid(ledger, transfer(1), transfer(2, pay_to=OTHER_PAYEE), transfer(3, pay_to=OTHER_PAYEE))
    own = ("seller_month", "s/2026-11")
    assert own not in totals(ledger)
    ledger.pin_payee("s", p.USDC, p.PAYEE, p.NOW)
    assert totals(ledger)[own] == p.PRICE
    listed = caps(sellers={"s": SellerCaps(10**8, 10**8, (OTHER_PAYEE.upper().replace("X", "x"),))})
    assert totals(ledger, listed)[own] == 2 * p.PRICE
    assert totals(ledger)[MONTH] == 3 * p.PRICE


def test_another_wallet_is_another_matter(ledger: Ledger) -> None:
    paid(ledger, transfer(1), wallet="0x" + "77" * 20)
    assert totals(ledger) == {}
    assert ledger.elsewhere.totals(p.USDC, p.run(), "s", ROOMY, None)[DAY] == p.PRICE


def test_what_this_ledger_booked_as_spent_is_not_kept_a_second_time(ledger: Ledger) -> None:
    [held] = ledger.reserve(p.run(), [p.wanted(1)], caps(), p.LEASE)
    ours, theirs = transfer(1, nonce=held.nonce), transfer(2, nonce="0x" + "cc" * 32)
    sent = ledger.append(held, p.signed(held), Sent(at=p.NOW))
    assert ledger.elsewhere.not_settled_here([ours, theirs]) == [ours, theirs]
    ledger.append(sent, Settled(at=p.NOW, settlement=p.settlement()))
    assert ledger.elsewhere.not_settled_here([ours, theirs]) == [theirs]


def test_blocks_that_are_read_again_replace_what_they_held(ledger: Ledger) -> None:
    """A reorg took one transfer back, and moved another."""
    paid(ledger, transfer(1), transfer(2))
    paid(ledger, replace(transfer(2), block_number=104, log_index=9))
    assert totals(ledger)[DAY] == 2 * p.PRICE
    ledger.elsewhere.close(p.USDC, p.PAYER, range(101, 104), [], 103, p.NOW)
    assert totals(ledger) == {DAY: p.PRICE, MONTH: p.PRICE}


def test_a_scan_goes_on_where_it_ended_and_begins_again_only_for_an_earlier_day(ledger: Ledger) -> None:
    elsewhere, day = ledger.elsewhere, THIS_MONTH + timedelta(days=21)
    assert elsewhere.scan(p.USDC, p.PAYER) is None
    begun = elsewhere.begin(p.USDC, p.PAYER, SpendScan(day, 500, 499), p.NOW)
    elsewhere.close(p.USDC, p.PAYER, range(500, 600), [], 590, p.NOW)
    elsewhere.close(p.USDC, p.PAYER, range(500, 550), [], 549, p.NOW)
    assert elsewhere.scan(p.USDC, p.PAYER) == replace(begun, through_block=590)
    assert elsewhere.begin(p.USDC, p.PAYER, SpendScan(day, 500, 499), p.NOW) == replace(begun, through_block=590)
    earlier = SpendScan(THIS_MONTH, 100, 99)
    assert elsewhere.begin(p.USDC, p.PAYER, earlier, p.NOW) == earlier
    later = SpendScan(THIS_MONTH + timedelta(days=60), 900, 899)
    assert elsewhere.begin(p.USDC, p.PAYER, later, p.NOW) == later


def test_transfers_that_no_cap_reaches_any_more_are_dropped(ledger: Ledger) -> None:
    paid(ledger, transfer(1), at=p.NOW - KEPT - timedelta(seconds=1))
    paid(ledger, transfer(2), at=p.NOW - KEPT)
    ledger.elsewhere.close(p.USDC, p.PAYER, range(900, 901), [], 900, p.NOW)
    at = p.NOW - KEPT
    found = ledger.elsewhere.totals(p.USDC, p.run(at=at), "s", ROOMY, p.PAYER)
    assert found["month", f"{at:%Y-%m}"] == p.PRICE
