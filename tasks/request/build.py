"""Build a data request from names and dates, or refuse it before a seller is asked and before anything is paid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from payer.values.money import parse_decimal
from sources import registry
from sources.model import Dataset, Feed
from sources.slots import is_listing, slot, start_of, wanted_slots
from tasks.request.model import BadRequest, DataRequest, DatasetRequest, Keys
from tasks.request.names import EVERY_KEY, datasets_of, keys_for, named, with_history
from tasks.workspace.workspace import Workspace
from warehouse.coverage.held import beginnings


def request_fresh(ws: Workspace, name: str, *, reason: str, at: datetime, keys: Keys = EVERY_KEY) -> DataRequest:
    """Request what a flow, or a single dataset, keeps fresh as of `at`: its newest slot, and gaps of the lookback."""
    found = named(name)
    feed = found if isinstance(found, Feed) else Feed(found.name, (found.name,))
    parts, notes = [], list(keys.notes)
    for want in wanted_slots(feed, at, registry.dataset):
        part, more = _dataset_request(ws, registry.dataset(want.dataset), keys, want.first, want.last)
        parts.append(part)
        notes += more
    seller = registry.dataset(feed.datasets[0]).seller
    return DataRequest(feed.name, reason, seller, at, tuple(parts), tuple(dict.fromkeys(notes)))


def request_range(
    ws: Workspace,
    names: Sequence[str],
    first: date,
    last: date | None,
    *,
    at: datetime,
    keys: Keys = EVERY_KEY,
    again: bool = False,
) -> DataRequest:
    """Request a past range of one seller's datasets, both days inclusive.

    Without `last` it ends with the newest settled day. A snapshot's past is requested from its history twin. `again`:
    all of it once more, held or not. Raises BadRequest for a range or a mix of datasets that can't be bought.
    """
    found = [with_history(name) for name in names]
    datasets = list({dataset.name: dataset for dataset, _ in found}.values())
    notes = [*keys.notes, *(note for _, dataset_notes in found for note in dataset_notes)]
    if last is None:
        settled = min((at - timedelta(seconds=dataset.settle)).date() for dataset in datasets)
        last = settled - timedelta(days=1)
        notes.append(f"up to {last}, the newest day whose rows no longer move; --to buys later ones")
        if first > last:
            raise BadRequest(f"no day since {first} is settled: the newest is {last}", advice="name the end with --to")
    _check_range(first, last, at)
    seller = _only_seller(datasets)
    parts = []
    for dataset in datasets:
        _check_since(dataset, first)
        part, more = _range_request(ws, dataset, keys, first, last, at)
        parts.append(part)
        notes += [*more, *_beginnings(ws, dataset, part)]
    if again:
        notes.append(f"asked for again, held or not, in the edition of {at:%Y-%m-%d}: on that day each request once")
    return DataRequest("backfill", "backfill", seller, at, tuple(parts), tuple(dict.fromkeys(notes)), again)


def parse_range(first: str | None, last: str | None) -> tuple[date, date | None]:
    """Return --from and --to as dates. Raises BadRequest naming the wrong one and its format."""
    if first is None:
        advice = "say where the range begins, such as --from 2026-01-01; --to is the newest settled day unless given"
        raise BadRequest("--from is missing", advice=advice)
    return _date("--from", first), None if last is None else _date("--to", last)


def budget_of(ws: Workspace, names: Sequence[str], max_cost: str | None) -> int | None:
    """Return --max-cost in atomic units of the one asset that all of these are paid in."""
    if max_cost is None:
        return None
    assets = {ws.asset(dataset.seller) for dataset in datasets_of(names)}
    if len(assets) != 1:
        symbols = ", ".join(sorted(asset.symbol for asset in assets))
        raise BadRequest(
            f"--max-cost {max_cost} is of which asset: {symbols}?", advice="run one seller's flows at a time"
        )
    try:
        return parse_decimal(max_cost, assets.pop().decimals)
    except ValueError as error:
        raise BadRequest(f"--max-cost: {error}", advice="write plain digits such as 0.50") from None


def _dataset_request(
    ws: Workspace, dataset: Dataset, keys: Keys, first: int, last: int
) -> tuple[DatasetRequest, tuple[str, ...]]:
    """Returned with notes on repairs."""
    chosen, notes = keys_for(ws, dataset, keys)
    return DatasetRequest(dataset.name, chosen, first, last), notes


def _range_request(
    ws: Workspace, dataset: Dataset, keys: Keys, first: date, last: date, at: datetime
) -> tuple[DatasetRequest, tuple[str, ...]]:
    start = datetime.combine(first, datetime.min.time(), UTC)
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC) - timedelta(seconds=1)
    if is_listing(dataset):
        part, notes = _dataset_request(ws, dataset, keys, slot(dataset, start), slot(dataset, at))
        return part, (*notes, f"{dataset.name} is read page by page, from its newest row down to {first}")
    return _dataset_request(ws, dataset, keys, slot(dataset, start), min(slot(dataset, end), slot(dataset, at)))


def _only_seller(datasets: Iterable[Dataset]) -> str:
    sellers = list(dict.fromkeys(dataset.seller for dataset in datasets))
    if len(sellers) > 1:
        raise BadRequest(
            f"one bill is of one seller, not of {' and '.join(sellers)}", advice="backfill each on its own"
        )
    return sellers[0]


def _check_range(first: date, last: date, at: datetime) -> None:
    if first > last:
        raise BadRequest(f"the range is reversed: {first} is after {last}", advice="swap --from and --to")
    if last > at.date():
        raise BadRequest(
            f"{last} is in the future", advice=f"the newest day that can be bought is today, {at.date()} (UTC)"
        )


def _check_since(dataset: Dataset, first: date) -> None:
    """Raise BadRequest for a day before the dataset's history begins."""
    since = dataset.since
    if since and first < since.day:
        raise BadRequest(
            f"{dataset.name} has nothing before {since.day} ({since.evidence}): {first} can't be bought",
            advice=f"ask for it --from {since.day}",
        )


def _beginnings(ws: Workspace, dataset: Dataset, request: DatasetRequest) -> Iterator[str]:
    """Note what was repaired, then the keys whose first row, by earlier answers, lies after the range's first slot."""
    first_slots, notes = ws.from_cache(lambda cache: beginnings(cache, dataset, request.keys))
    yield from notes
    began: dict[int, list[str]] = {}
    for key, first in first_slots.items():
        if first > request.first:
            began.setdefault(first, []).append(key)
    for first, keys in sorted(began.items()):
        yield f"no {dataset.name} of {', '.join(sorted(keys))} before {start_of(dataset, first):%Y-%m-%d} are known"


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequest(
            f"{option} {text!r} is not a date", advice="write it as YYYY-MM-DD, such as 2026-01-31"
        ) from None
