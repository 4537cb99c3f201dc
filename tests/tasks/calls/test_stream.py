"""The stream of a ledger's calls: each change once, whatever the order of commits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.values.events import Settled
from tasks.calls.stream import CallStream, parse_since
from tasks.request.model import BadRequest
from tests.payer import purchases as p
from tests.payer.ledger.test_avoided import entry


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


def settle(ledger: Ledger, purchase_id: str, *, final: bool) -> None:
    held = ledger.get(purchase_id)
    assert held is not None
    ledger.append(held, Settled(at=p.NOW + timedelta(seconds=9), settlement=p.settlement(final=final)))


def test_each_change_comes_once_and_a_block_that_becomes_final_says_nothing_new(url: str) -> None:
    with Ledger.open(url) as ours, Ledger.open(url) as theirs:
        stream = CallStream(ours.changes)
        assert stream.look() == []
        bought = p.bought(theirs)
        theirs.note_avoided([entry()], p.run())
        assert [call.state.value for call in stream.look()] == ["cached", "delivered"]
        assert stream.look() == []
        settle(theirs, bought, final=False)
        assert [call.state.value for call in stream.look()] == ["settled"]
        settle(theirs, bought, final=True)
        assert stream.look() == []


def test_what_is_there_already_is_told_when_asked_for_and_never_again(url: str) -> None:
    with Ledger.open(url) as ledger:
        for number in range(3):
            p.bought(ledger, number)
        ledger.note_avoided([entry()], p.run())
        stream = CallStream(ledger.changes)
        assert len(stream.newest(10)) == 4
        assert len(stream.newest(2)) == 2
        assert len(stream.since(p.NOW)) == 4
        assert stream.since(p.NOW + timedelta(seconds=1)) == []
        assert stream.look() == []


def test_a_call_of_the_past_has_the_time_of_its_delivery(url: str) -> None:
    with Ledger.open(url) as ledger:
        settle(ledger, p.bought(ledger), final=True)
        [call] = CallStream(ledger.changes).newest(1)
        assert (call.at, call.state.value) == (p.NOW, "settled")


def test_a_flow_is_seen_alone(url: str) -> None:
    with Ledger.open(url) as ledger:
        p.bought(ledger)
        assert len(CallStream(ledger.changes, ["grades"]).newest(5)) == 1
        assert CallStream(ledger.changes, ["signals"]).newest(5) == []


def test_a_smaller_number_that_is_committed_later_is_not_missed(url: str) -> None:
    """As on PostgreSQL, where a long transaction commits after a later one."""
    with Ledger.open(url) as ledger:
        late, early = p.bought(ledger, 0), p.bought(ledger, 1)
        stream = CallStream(ledger.changes)
        stream._seen.pop(late)
        stream._told.clear()
        assert [call.purchase_id for call in stream.look()] == [late]
        assert early in stream._seen


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("6h", NOW - timedelta(hours=6)),
        ("1d", NOW - timedelta(days=1)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-11-28", datetime(2026, 11, 28, tzinfo=UTC)),
        ("2026-11-28T13:30", datetime(2026, 11, 28, 13, 30, tzinfo=UTC)),
        ("2026-11-28T13:30+02:00", datetime(2026, 11, 28, 11, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_back_from_now_or_as_utc(text: str, at: datetime) -> None:
    assert parse_since(text, NOW) == at


@pytest.mark.parametrize("text", ["", "yesterday", "1", "1y", "-1d", "2030-01-01", "999999w", "1.5h"])
def test_what_is_no_past_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadRequest, match="--since"):
        parse_since(text, NOW)
