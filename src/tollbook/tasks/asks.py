"""From names and dates that a person types to an ask, or a clear no before anything is asked or paid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from tollbook.payer.errors import Misconfigured
from tollbook.payer.money import parse_decimal
from tollbook.tasks.asking import Ask, Keys, Want
from tollbook.tasks.workspace import Workspace

if TYPE_CHECKING:
    from tollbook.sources.model import Dataset, Feed


TOKEN = "token_id"
KEY_TABLES = {"index_id": "indices"}
"""Where the keys of datasets not sold by token are listed."""

EVERY_KEY = Keys()


class BadRequest(Misconfigured):
    """Raised when what is asked for doesn't exist or can't be bought; nothing was asked of the seller."""

    repeat = "yes, once the command is mended"


def ask_fresh(ws: Workspace, name: str, *, reason: str, at: datetime, keys: Keys = EVERY_KEY) -> Ask:
    """What a flow, or a single dataset, keeps fresh as of `at`: its newest slot and the gaps it looks back for."""
    from tollbook.sources import registry
    from tollbook.sources.feeds import wants
    from tollbook.sources.model import Feed

    found = named(name)
    feed = found if isinstance(found, Feed) else Feed(found.name, (found.name,), _lookback(found))
    asked = tuple(
        Want(want.dataset, keys_for(ws, registry.dataset(want.dataset), keys), want.first, want.last, want.held_by)
        for want in wants(feed, at, registry.dataset)
    )
    return Ask(feed.name, reason, registry.dataset(feed.datasets[0]).seller, at, asked)


def ask_range(ws: Workspace, name: str, first: date, last: date, *, at: datetime, keys: Keys = EVERY_KEY) -> Ask:
    """A past range of one dataset, both days inclusive. A snapshot is answered by the history that repairs it."""
    from tollbook.sources.slots import slot

    if first > last:
        raise BadRequest(f"the range is reversed: {first} is after {last}", advice="swap --from and --to")
    if last > at.date():
        raise BadRequest(
            f"{last} is in the future", advice=f"the newest day that can be bought is today, {at.date()} (UTC)"
        )
    dataset, notes = with_history(name)
    start = datetime.combine(first, datetime.min.time(), UTC)
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC) - timedelta(seconds=1)
    want = Want(
        dataset.name, keys_for(ws, dataset, keys), slot(dataset, start), min(slot(dataset, end), slot(dataset, at))
    )
    return Ask("backfill", "backfill", dataset.seller, at, (want,), notes)


def parse_range(first: str | None, last: str | None) -> tuple[date, date]:
    """--from and --to as dates. Raises BadRequest saying which one is wrong and how it is written."""
    return _date("--from", first), _date("--to", last)


def _date(option: str, text: str | None) -> date:
    if text is None:
        raise BadRequest(
            f"{option} is missing", advice="give both ends of the range, such as --from 2026-01-01 --to 2026-01-31"
        )
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequest(
            f"{option} {text!r} is not a date", advice="write it as YYYY-MM-DD, such as 2026-01-31"
        ) from None


def named(name: str) -> Feed | Dataset:
    """A flow, table or dataset by its name. Raises BadRequest with the near matches."""
    from tollbook.sources import registry
    from tollbook.sources.feeds import FEEDS

    try:
        return registry.resolve(name)
    except registry.UnknownName as unknown:
        known = ", ".join((*FEEDS, *(dataset.name for dataset in registry.datasets())))
        hint = f"did you mean {' or '.join(unknown.near)}?" if unknown.near else f"there are {known}"
        raise BadRequest(f"there is no flow, table or dataset {name!r}", advice=hint) from None


def with_history(name: str) -> tuple[Dataset, tuple[str, ...]]:
    """The dataset whose past is sold under this name. Raises BadRequest when nobody sells it."""
    from tollbook.sources import registry
    from tollbook.sources.model import Dataset

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


def all_names(ws: Workspace, keys: Keys = EVERY_KEY) -> list[str]:
    """Every dataset of the policy's sellers that can be asked for: by token, by index, or by keys that were named."""
    from tollbook.sources import registry

    askable = {None, TOKEN, *KEY_TABLES}
    return [
        dataset.name
        for dataset in registry.datasets()
        if dataset.seller in ws.policy.sellers and (dataset.key_column in askable or keys.others is not None)
    ]


def budget_of(ws: Workspace, names: Sequence[str], max_cost: str | None) -> int | None:
    """--max-cost in atoms of the one asset that all of these are paid in."""
    from tollbook.sources import registry
    from tollbook.sources.model import Dataset

    if max_cost is None:
        return None
    found = [named(name) for name in names]
    datasets = [each if isinstance(each, Dataset) else registry.dataset(each.datasets[0]) for each in found]
    assets = {ws.asset(dataset.seller) for dataset in datasets}
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


def _lookback(dataset: Dataset) -> dict[str, int]:
    """A series named alone heals the gaps that the flow it belongs to would heal."""
    from tollbook.sources.feeds import FEEDS

    for feed in FEEDS.values():
        if dataset.window is not None and dataset.name in feed.lookback:
            return {dataset.name: feed.lookback[dataset.name]}
    return {}


def keys_for(ws: Workspace, dataset: Dataset, keys: Keys = EVERY_KEY) -> tuple[str, ...]:
    """The keys a dataset is asked with: those named, else the watch list; one for a listing of everything.

    Raises BadRequest when a dataset is sold by a key that nobody named.
    """
    from tollbook.sources.model import EVERYTHING

    if dataset.key_column is None:
        return (EVERYTHING,)
    if dataset.key_column == TOKEN:
        watched = tuple(str(token) for token in ws.policy.sellers[dataset.seller].tokens)
        chosen = keys.tokens if keys.tokens is not None else watched
        option = f"--tokens, or list them under sellers.{dataset.seller}.tokens in the policy file"
    else:
        chosen = keys.others if keys.others is not None else _known_keys(ws, dataset.key_column)
        option = "--keys"
    if not chosen:
        raise BadRequest(
            f"{dataset.name} is sold by {dataset.key_column} and none is named", advice=f"name some with {option}"
        )
    return chosen


def _known_keys(ws: Workspace, column: str) -> tuple[str, ...]:
    """Keys that an earlier run brought as rows: the indices, for what is sold by index."""
    table = KEY_TABLES.get(column)
    if table is None:
        return ()
    return tuple(ws.from_cache(lambda cache: cache.distinct(table, column)))
