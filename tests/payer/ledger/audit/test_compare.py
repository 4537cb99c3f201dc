"""A row is compared with what its events fold to; every way in which it may differ is named."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

import msgspec
import pytest

from payer.ledger.audit.compare import StoredEvent, compare_buckets, compare_purchase, count
from payer.ledger.database import rows
from payer.values.events import Event, Intent, Sent, Settled, Unsent, Void
from payer.values.purchase import Money, Purchase
from tests.payer import purchases as p

HISTORIES: dict[str, list[Event]] = {
    "reserved": [p.intent(p.blank())],
    "exposed": [p.intent(p.blank()), p.signed(p.blank()), Sent(at=p.NOW)],
    "spent": [
        *(p.intent(p.blank()), p.signed(p.blank()), Sent(at=p.NOW)),
        Settled(at=p.NOW, settlement=p.settlement()),
        p.delivered(),
    ],
    "settling": [
        *(p.intent(p.blank()), p.signed(p.blank(), 25_000), Sent(at=p.NOW)),
        Settled(at=p.NOW, settlement=p.settlement(final=False)),
    ],
    "void and reserved again": [
        *(p.intent(p.blank()), p.signed(p.blank()), Sent(at=p.NOW)),
        Void(at=p.NOW, reason="expired", proof_block=9),
        p.intent(p.blank()),
    ],
}


def stored(events: list[Event]) -> list[StoredEvent]:
    return [
        StoredEvent(seq, version, rows.kind_of(event), rows.encode(event))
        for version, (seq, event) in enumerate(enumerate(events, 11), 1)
    ]


def row_of(purchase: Purchase, seq: int) -> dict[str, Any]:
    row = rows.columns(purchase, seq)
    return {**row, "committed": str(row["committed"])}


def kept(name: str) -> tuple[dict[str, Any], list[StoredEvent]]:
    events = HISTORIES[name]
    return row_of(p.after(p.blank(), *events), 10 + len(events)), stored(events)


@pytest.mark.parametrize("name", HISTORIES)
def test_a_row_that_its_events_fold_to_has_no_mismatch(name: str) -> None:
    row, events = kept(name)
    folded, wrong = compare_purchase(row, events)
    assert wrong == []
    assert folded == p.after(p.blank(), *HISTORIES[name])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("committed", "0"),
        ("committed", "20000.0"),
        ("money", "void"),
        ("data", "delivered"),
        ("undelivered", True),
        ("undelivered", 1),
        ("is_open", False),
        ("seller", "another"),
        ("asset", "eip155:1/0x00"),
        ("nonce", "0x" + "00" * 32),
        ("version", 2),
        ("seq", 99),
        ("flow", "another"),
    ],
)
def test_a_column_that_was_changed_is_named_with_what_it_should_be(column: str, value: object) -> None:
    row, events = kept("exposed")
    _, [wrong] = compare_purchase({**row, column: value}, events)
    assert wrong.purchase_id == row["purchase_id"]
    assert f"{column} is {value}, its events fold to" in wrong.detail


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("money", Money.VOID),
        ("reserved", 1),
        ("spent", 1),
        ("valid_until", 0),
        ("sends", 0),
        ("claims", 3),
        ("burned", True),
        ("loss_accepted", True),
        ("payer", "0x" + "33" * 20),
        ("authorization", p.authorization(p.blank(), 19_999)),
        ("settlement", p.settlement(value=1)),
        ("run", p.run("another")),
        ("order", p.order(0, dataset="another")),
    ],
)
def test_a_document_that_was_changed_is_named_by_its_field(field: str, value: object) -> None:
    row, events = kept("exposed")
    purchase = msgspec.structs.replace(rows.purchase(row["doc"]), **{field: value})
    _, wrong = compare_purchase({**row, "doc": rows.encode(purchase)}, events)
    assert [field in each.detail for each in wrong][:1] == [True]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda events: [], "there is no intent at their beginning"),
        (lambda events: events[1:], "there is no intent at their beginning"),
        (lambda events: [events[0], events[2]], "Sent on"),
        (lambda events: [events[0], changed(events[1], version=3), events[2]], "event 2 is missing"),
        (lambda events: [*events, changed(events[2], version=4, doc=b"{")], "event 4 can't be read"),
        (lambda events: [*events, changed(events[2], version=4, kind="unheard")], "event 4 can't be read"),
        (lambda events: stored(HISTORIES["reserved"])[:1], "its events fold to"),
        (lambda events: stored([p.intent(p.blank(1))]), "they are those of another request"),
    ],
)
def test_events_that_were_changed_are_named(change: Any, what: str) -> None:
    row, events = kept("exposed")
    _, wrong = compare_purchase(row, change(events))
    assert wrong
    assert what in wrong[0].detail


@pytest.mark.parametrize("doc", [b"", b"{}", b"{", b"\xff\xfe"])
def test_a_document_that_cannot_be_read_is_named(doc: bytes) -> None:
    row, events = kept("exposed")
    folded, [wrong] = compare_purchase({**row, "doc": doc}, events)
    assert folded is None
    assert wrong.detail == "its document in the projection can't be read"


def test_a_purchase_ordered_again_from_another_wallet_folds_to_its_row() -> None:
    """Its intent names what it is paid with: nothing else does where the second one was never signed."""
    first = [p.intent(p.blank()), p.signed(p.blank()), Sent(at=p.NOW), Unsent(at=p.NOW, reason="no route")]
    void = p.after(p.blank(), *first, Void(at=p.NOW, reason="never sent"))
    other = void.paid_with(p.USDC, "0x" + "44" * 20, "0x" + "55" * 32)
    again = changed(p.intent(other), asset=other.asset, payer=other.payer, nonce=other.nonce)
    events: list[Event] = [*first, Void(at=p.NOW, reason="never sent"), again]
    row = row_of(p.after(other, again), 10 + len(events))
    folded, wrong = compare_purchase(row, stored(events))
    assert wrong == []
    assert folded is not None
    assert (folded.valid_until, folded.payer) == (0, "0x" + "44" * 20)


def test_an_intent_of_an_older_tollbook_is_paid_with_what_was_signed_after_it() -> None:
    first = [p.intent(p.blank()), p.signed(p.blank()), Sent(at=p.NOW), Unsent(at=p.NOW, reason="no route")]
    void = p.after(p.blank(), *first, Void(at=p.NOW, reason="never sent"))
    other = void.paid_with(p.USDC, "0x" + "44" * 20, "0x" + "55" * 32)
    events: list[Event] = [*first, Void(at=p.NOW, reason="never sent"), p.intent(other)]
    assert all(event.asset is None for event in events if isinstance(event, Intent))
    _, wrong = compare_purchase(row_of(p.after(other, p.intent(other)), 10 + len(events)), stored(events))
    assert wrong == []


def test_buckets_are_the_sum_over_the_purchases_that_count_in_them() -> None:
    totals: dict[tuple[str, str, str], int] = {}
    for purchase in (p.exposed(), p.exposed(), p.void()):
        count(purchase, totals)
    asset = rows.asset_key(p.USDC)
    right = {
        (asset, "run", "run-1"): "40000",
        (asset, "flow_day", "grades/2026-11-22"): "40000",
        (asset, "day", "2026-11-22"): "40000",
        (asset, "month", "2026-11"): "40000",
        (asset, "seller_day", "s/2026-11-22"): "40000",
        (asset, "seller_month", "s/2026-11"): "40000",
    }
    assert compare_buckets(totals, {**right, (asset, "day", "2026-11-21"): "0"}) == []
    for bucket in right:
        [wrong] = compare_buckets(totals, {**right, bucket: "39999"})
        assert f"caps: {bucket[1]} {bucket[2]} counts 39999" in wrong.detail
        [missing] = compare_buckets(totals, {name: held for name, held in right.items() if name != bucket})
        assert "counts 0 atomic units" in missing.detail
    [extra] = compare_buckets(totals, {**right, (asset, "day", "2026-11-21"): "5"})
    assert "its purchases 0" in extra.detail
