"""From names and dates that a person types to an ask, or a clear no before anything is asked or paid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from payer.values.money import parse_decimal
from tasks.request.keys import EVERY_KEY, askable, keys_for
from tasks.request.requests import Ask, BadRequest, Keys, Want
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sources.model import Dataset, Feed


def ask_fresh(ws: Workspace, name: str, *, reason: str, at: datetime, keys: Keys = EVERY_KEY) -> Ask:
    """What a flow, or a single dataset, keeps fresh as of `at`: its newest slot and the gaps it looks back for."""
    from sources import registry
    from sources.feeds import wants
    from sources.model import Feed

    found = named(name)
    feed = found if isinstance(found, Feed) else Feed(found.name, (found.name,))
    asked, notes = [], list(keys.notes)
    for wanted in wants(feed, at, registry.dataset):
        want, more = _want(ws, registry.dataset(wanted.dataset), keys, wanted.first, wanted.last)
        asked.append(want)
        notes += more
    seller = registry.dataset(feed.datasets[0]).seller
    return Ask(feed.name, reason, seller, at, tuple(asked), tuple(dict.fromkeys(notes)))


def ask_range(
    ws: Workspace, names: Sequence[str], first: date, last: date | None, *, at: datetime, keys: Keys = EVERY_KEY
) -> Ask:
    """A past range of one seller's datasets, both days inclusive; without `last` up to the newest day that no longer
    moves. A snapshot is answered by the history that repairs it."""
    found = [with_history(name) for name in names]
    bought = {dataset.name: dataset for dataset, _ in found}.values()
    notes = [*keys.notes, *(note for _, own in found for note in own)]
    if last is None:
        last = _newest_settled(bought, at)
        notes.append(f"up to {last}, the newest day whose rows no longer move; --to buys later ones")
        if first > last:
            raise BadRequest(f"no day since {first} is settled: the newest is {last}", advice="name the end with --to")
    _check_range(first, last, at)
    sellers = list(dict.fromkeys(dataset.seller for dataset in bought))
    if len(sellers) > 1:
        raise BadRequest(
            f"one bill is of one seller, not of {' and '.join(sellers)}", advice="backfill each on its own"
        )
    wants = []
    for dataset in bought:
        _since(dataset, first)
        want, more = _range_want(ws, dataset, keys, first, last, at)
        wants.append(want)
        notes += [*more, *_beginnings(ws, dataset, want)]
    return Ask("backfill", "backfill", sellers[0], at, tuple(wants), tuple(dict.fromkeys(notes)))


def _check_range(first: date, last: date, at: datetime) -> None:
    if first > last:
        raise BadRequest(f"the range is reversed: {first} is after {last}", advice="swap --from and --to")
    if last > at.date():
        raise BadRequest(
            f"{last} is in the future", advice=f"the newest day that can be bought is today, {at.date()} (UTC)"
        )


def _since(dataset: Dataset, first: date) -> None:
    """Raises BadRequest for a day before the history begins."""
    since = dataset.since
    if since and first < since.day:
        raise BadRequest(
            f"{dataset.name} has nothing before {since.day} ({since.evidence}): {first} can't be bought",
            advice=f"ask for it --from {since.day}",
        )


def _beginnings(ws: Workspace, dataset: Dataset, want: Want) -> Iterator[str]:
    """What earlier answers tell of keys that began inside the range or after it, after notes on what was repaired."""
    from sources.slots import start_of
    from warehouse.coverage.held import beginnings

    first_slots, notes = ws.from_cache(lambda cache: beginnings(cache, dataset, want.keys))
    yield from notes
    began: dict[int, list[str]] = {}
    for key, slot in first_slots.items():
        if slot > want.first:
            began.setdefault(slot, []).append(key)
    for slot, keys in sorted(began.items()):
        yield f"no {dataset.name} of {', '.join(sorted(keys))} before {start_of(dataset, slot):%Y-%m-%d} are known"


def _want(ws: Workspace, dataset: Dataset, keys: Keys, first: int, last: int) -> tuple[Want, tuple[str, ...]]:
    """A day that a snapshot has seen needs no history. Returned with notes on what was repaired."""
    from sources import registry

    chosen, notes = keys_for(ws, dataset, keys)
    return Want(dataset.name, chosen, first, last, registry.snapshots_of(dataset)), notes


def _newest_settled(datasets: Iterable[Dataset], at: datetime) -> date:
    """The newest day whose last slot is past its settling time, for each of them."""
    return min((at - timedelta(seconds=dataset.settle)).date() for dataset in datasets) - timedelta(days=1)


def _range_want(
    ws: Workspace, dataset: Dataset, keys: Keys, first: date, last: date, at: datetime
) -> tuple[Want, tuple[str, ...]]:
    from sources.slots import slot

    start = datetime.combine(first, datetime.min.time(), UTC)
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC) - timedelta(seconds=1)
    return _want(ws, dataset, keys, slot(dataset, start), min(slot(dataset, end), slot(dataset, at)))


def parse_range(first: str | None, last: str | None) -> tuple[date, date | None]:
    """--from and --to as dates. Raises BadRequest saying which one is wrong and how it is written."""
    if first is None:
        advice = "say where the range begins, such as --from 2026-01-01; --to is the newest settled day unless given"
        raise BadRequest("--from is missing", advice=advice)
    return _date("--from", first), None if last is None else _date("--to", last)


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequest(
            f"{option} {text!r} is not a date", advice="write it as YYYY-MM-DD, such as 2026-01-31"
        ) from None


def named(name: str) -> Feed | Dataset:
    """A flow, table or dataset by its name. Raises BadRequest with the near matches."""
    from sources import registry
    from sources.feeds import FEEDS

    try:
        return registry.resolve(name)
    except registry.UnknownName as unknown:
        known = ", ".join((*FEEDS, *(dataset.name for dataset in registry.datasets())))
        hint = f"did you mean {' or '.join(unknown.near)}?" if unknown.near else f"there are {known}"
        raise BadRequest(f"there is no flow, table or dataset {name!r}", advice=hint) from None


def with_history(name: str) -> tuple[Dataset, tuple[str, ...]]:
    """The dataset whose past is sold under this name. Raises BadRequest when nobody sells it."""
    from sources import registry
    from sources.model import Dataset

    found = named(name)
    candidates = [found] if isinstance(found, Dataset) else [registry.dataset(each) for each in found.datasets]
    past = registry.history(name)
    if past is None or past.window is None:
        raise BadRequest(
            f"{name} has no history to buy by date: {candidates[0].name} is sold only as it is now",
            advice=_what_else(candidates),
        )
    if past in candidates:
        return past, ()
    return past, (f"{candidates[0].name} is sold only for now; its past is bought from {past.name}",)


def all_names(ws: Workspace) -> tuple[list[str], list[str]]:
    """Every dataset of the policy's sellers that can be asked for, and those left out: sold by a key nobody named."""
    from sources import registry

    sold = [dataset for dataset in registry.datasets() if dataset.seller in ws.policy.sellers]
    names = [dataset.name for dataset in sold if askable(ws, dataset)]
    return names, [dataset.name for dataset in sold if dataset.name not in names]


def datasets_of(names: Sequence[str]) -> list[Dataset]:
    """The datasets behind the names of flows, tables and datasets."""
    from sources import registry
    from sources.model import Dataset

    found = (named(name) for name in names)
    return [
        dataset
        for each in found
        for dataset in ((each,) if isinstance(each, Dataset) else map(registry.dataset, each.datasets))
    ]


def budget_of(ws: Workspace, names: Sequence[str], max_cost: str | None) -> int | None:
    """--max-cost in atoms of the one asset that all of these are paid in."""
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


def _what_else(candidates: Sequence[Dataset]) -> str:
    twins = [dataset.repaired_by for dataset in candidates if dataset.repaired_by]
    if twins:
        return f"`tollbook run {twins[0]}` buys what {twins[0]} still lists"
    return f"keep it fresh by a schedule instead: `tollbook run {candidates[0].name}`"
