"""The calls of a ledger as they happen, over all processes that write it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from payer.ledger.read import Change, PurchaseChanges
from payer.values.ledger_reads import AvoidedRow
from tasks.calls.call import WatchedCall, called_at, of_avoided, of_change
from tasks.request.model import BadRequest

LATE = 1000
"""Numbers before the largest that are looked at again: PostgreSQL may commit a smaller one after a larger."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGO = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)


class CallStream:
    """Each call at each look, once per change of what can be said about it; with `flows`, only theirs.

    A call that changed several times between two looks comes once, as it is at the later one. Holds no transaction
    between looks. Raises LedgerUnavailable while the ledger can't be read; the next look then has all that was missed.
    """

    def __init__(self, changes: PurchaseChanges, flows: Collection[str] = ()) -> None:
        self._changes, self._flows = changes, frozenset(flows)
        newest, avoided = changes.newest(1), changes.avoided_newest(1)
        self._last = newest[-1].seq if newest else 0
        self._last_avoided = avoided[-1].seq if avoided else 0
        self._seen = changes.index(self._last - LATE)
        self._seen_avoided = set(changes.avoided_index(self._last_avoided - LATE))
        self._told: dict[str, WatchedCall] = {}

    def newest(self, count: int) -> list[WatchedCall]:
        """The newest calls until now, at most `count`, in the order of time."""
        if self._flows:
            return self.since(_EPOCH)[-count:]
        return self._past(self._changes.newest(count), self._changes.avoided_newest(count), _EPOCH)[-count:]

    def since(self, at: datetime) -> list[WatchedCall]:
        """The calls made since then, and older ones that changed, each as it is now, in the order of time."""
        return self._past(self._changes.since(at), self._changes.avoided(self._changes.avoided_index(0)), at)

    def look(self) -> list[WatchedCall]:
        """The calls that changed since the last look, in the order of their changes."""
        index = self._changes.index(self._last - LATE)
        changed = self._changes.of([name for name, seq in index.items() if self._seen.get(name) != seq])
        avoided = self._changes.avoided_index(self._last_avoided - LATE)
        cached = self._changes.avoided([seq for seq in avoided if seq not in self._seen_avoided])
        self._seen, self._seen_avoided = index, set(avoided)
        self._last = max([self._last, *index.values()])
        self._last_avoided = max([self._last_avoided, *avoided])
        self._told = {name: call for name, call in self._told.items() if name in index}
        self._seen |= {change.purchase.purchase_id: change.seq for change in changed}
        calls = [call for call in map(of_change, changed) if self._says_more(call)]
        return self._wanted([*calls, *map(of_avoided, cached)])

    def _past(self, changes: Iterable[Change], avoided: Iterable[AvoidedRow], since: datetime) -> list[WatchedCall]:
        """Calls at the time of the call, and those made before `since` at the time of their change."""
        calls = []
        for change in changes:
            self._seen[change.purchase.purchase_id] = change.seq
            call, at = of_change(change), called_at(change.purchase)
            self._says_more(call)
            if at >= since:
                calls.append(replace(call, at=at))
            elif not change.purchase.settlement or change.purchase.settlement.block_time >= since:
                calls.append(call)
        cached = [row for row in avoided if row.at >= since]
        self._seen_avoided |= {row.seq for row in cached}
        return self._wanted([*calls, *map(of_avoided, cached)])

    def _says_more(self, call: WatchedCall) -> bool:
        """True for a call that is not as it was told last: most events change no word of its line."""
        before = self._told.get(call.purchase_id or "")
        self._told[call.purchase_id or ""] = call
        return before is None or _line(before) != _line(call)

    def _wanted(self, calls: Iterable[WatchedCall]) -> list[WatchedCall]:
        wanted = (call for call in calls if not self._flows or call.flow in self._flows)
        return sorted(wanted, key=lambda call: (call.at, call.bought, call.seq))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _line(call: WatchedCall) -> tuple[object, ...]:
    return call.state, call.amount_atomic, call.tx_hash, call.why, call.run_id


def parse_since(text: str, now: datetime) -> datetime:
    """Read --since: a time back from now (90s, 30m, 6h, 1d, 2w), a UTC day or a time. Raises BadRequest."""
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return now - timedelta(seconds=int(ago[1]) * UNITS[ago[2]])
        at = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        advice = "write 30m, 6h, 1d or 2w, or a day or time in UTC such as 2026-11-29 or 2026-11-29T13:30"
        raise BadRequest(f"--since {text}: that is no time", advice=advice) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if at > now:
        raise BadRequest(f"--since {text} is in the future", advice="name a time before now (UTC)")
    return at
