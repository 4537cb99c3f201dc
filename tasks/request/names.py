"""Look up flows, tables, datasets and their keys by the names that a person types.

Keys that nobody names are those of policy's watch list, else all that the cache knows.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from sources import registry
from sources.model import EVERYTHING, Dataset, Feed
from tasks.request.model import BadRequest, Keys
from tasks.workspace.sellers import comma_keys
from tasks.workspace.workspace import Workspace

TOKENS = "tokens"
"""The free dataset that lists every token of its seller; --tokens is looked up in it."""

TOKEN = "token_id"
KEY_TABLES = {"index_id": ("indices", ("index_id", "name", "ticker"))}
"""For each other key column, the table that lists its keys, and the columns that a person may name them by."""

EVERY_KEY = Keys()


def sold_by_token(dataset: Dataset) -> bool:
    """True where --tokens and the watch list `tokens` name its keys."""
    return dataset.key_column == TOKEN and dataset.seller == registry.dataset(TOKENS).seller


def sold_by_key(dataset: Dataset) -> bool:
    """True where --keys names its keys."""
    return dataset.key_column is not None and not sold_by_token(dataset)


def keys_for(ws: Workspace, dataset: Dataset, keys: Keys = EVERY_KEY) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys to request a dataset with, and notes on what was repaired to look them up.

    `EVERYTHING` is the only key of a dataset without a key column.
    Raises BadRequest when it is sold by a key that nobody named, or that its seller doesn't list.
    """
    if dataset.key_column is None:
        return (EVERYTHING,), ()
    named = keys.tokens if sold_by_token(dataset) else keys.others
    chosen, notes = _watched(ws, dataset) if named is None else (named, ())
    if sold_by_key(dataset):
        notes += _check_listed(ws, dataset, chosen)
    if not chosen:
        advice = _naming_advice(dataset)
        raise BadRequest(f"{dataset.name} is sold by {dataset.key_column} and none is named", advice=advice)
    return chosen, notes


def can_be_requested(ws: Workspace, dataset: Dataset) -> bool:
    """False for a dataset whose keys nobody can know yet: not on the watch list, and listed in no table."""
    keyless = dataset.key_column is None or sold_by_token(dataset) or dataset.key_column in KEY_TABLES
    return keyless or bool(_watched(ws, dataset)[0])


def check_named(datasets: Sequence[Dataset], tokens: str | None, keys: Sequence[str]) -> None:
    """Raise BadRequest when --tokens or --keys fits none of the datasets, or --keys fits several kinds of key."""
    names = ", ".join(dataset.name for dataset in datasets)
    if tokens is not None and not any(sold_by_token(dataset) for dataset in datasets):
        keyed = next((dataset for dataset in datasets if sold_by_key(dataset)), None)
        advice = f"name its {keyed.key_column} with --keys" if keyed else "leave it out"
        raise BadRequest(f"--tokens names tokens, and {names} is not sold by token", advice=advice)
    if keys:
        _check_keys([dataset for dataset in datasets if sold_by_key(dataset)], names, keys)


def _check_keys(datasets: Sequence[Dataset], names: str, keys: Sequence[str]) -> None:
    if not all(key.strip() for key in keys):
        raise BadRequest("--keys is empty", advice="write one key each time, such as --keys bitcoin --keys ethereum")
    kinds = {(dataset.seller, dataset.key_column): dataset for dataset in datasets}
    if not kinds:
        raise BadRequest(f"--keys names nothing of {names}", advice="leave it out, or name tokens with --tokens")
    if len(kinds) > 1:
        columns = ", ".join(f"{column} of {seller}" for seller, column in kinds)
        advice = "run them one at a time, or list the keys of each in the policy file"
        raise BadRequest(f"--keys is of which: {columns}?", advice=advice)
    for dataset in kinds.values():
        for key in comma_keys(dataset, keys):
            several = " ".join(f"--keys {word.strip()}" for word in key.split(","))
            raise BadRequest(f"--keys {key!r} is no {dataset.key_column}: it holds a comma", advice=f"write {several}")


def _watched(ws: Workspace, dataset: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    seller = ws.seller(dataset.seller)
    if dataset.name in seller.watch:
        return seller.watch[dataset.name], ()
    if sold_by_token(dataset):
        return tuple(str(token) for token in seller.tokens), ()
    listed, notes = _listed(ws, dataset)
    return tuple(listed), notes


def _naming_advice(dataset: Dataset) -> str:
    policy = f"under sellers.{dataset.seller}"
    if sold_by_token(dataset):
        return f"name some with --tokens, or list them {policy}.tokens in the policy file"
    table, _ = KEY_TABLES.get(dataset.key_column or "", ("", ()))
    listed = f"`tollbook run {table}` lists all there are; or " if table else ""
    return f'{listed}name some with --keys, or list them {policy}: watch = {{"{dataset.name}" = ["…"]}}'


def _check_listed(ws: Workspace, dataset: Dataset, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Return notes on repairs. Raise BadRequest, with near matches, for a key not in the listing bought earlier."""
    listed, notes = _listed(ws, dataset)
    for key in chosen:
        if listed and key not in listed:
            raise BadRequest(
                f"no {dataset.key_column} is called {key!r} among {len(listed)} known", advice=_near(key, listed)
            )
    return notes


def _near(key: str, listed: dict[str, tuple[str, ...]]) -> str:
    by_name = {name.lower(): listed_key for listed_key, names in listed.items() for name in names}
    near = difflib.get_close_matches(key.lower(), by_name, n=3, cutoff=0.6)
    matches = dict.fromkeys(by_name[name] for name in near)
    if not matches:
        return "there are " + ", ".join(listed)
    return "did you mean " + " or ".join(f"{match} ({', '.join(listed[match][1:])})" for match in matches) + "?"


def _listed(ws: Workspace, dataset: Dataset) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the keys that the cache knows from its table of them (indices), each with its names; and notes."""
    table, columns = KEY_TABLES.get(dataset.key_column or "", ("", ()))
    if not table:
        return {}, ()
    rows, notes = ws.from_cache(lambda cache: cache.distinct(table, columns))
    return {str(row[0]): tuple(str(name) for name in row if name is not None) for row in rows}, notes


def named(name: str) -> Feed | Dataset:
    """Return the flow, or the dataset or table, of this name. Raises BadRequest with near matches."""
    try:
        return registry.resolve(name)
    except registry.UnknownName as unknown:
        names = ", ".join((*registry.feeds(), *(dataset.name for dataset in registry.datasets())))
        hint = f"did you mean {' or '.join(unknown.similar)}?" if unknown.similar else f"there are {names}"
        raise BadRequest(f"there is no flow, table or dataset {name!r}", advice=hint) from None


def datasets_of(names: Sequence[str]) -> list[Dataset]:
    """Return the datasets behind the names of flows, tables and datasets."""
    return [dataset for name in names for dataset in _datasets(named(name))]


def all_names(ws: Workspace) -> tuple[list[str], list[str]]:
    """Return every dataset of the policy's sellers that can be requested, and those whose keys nobody has named."""
    sold = [dataset for dataset in registry.datasets() if dataset.seller in ws.policy.sellers]
    names = [dataset.name for dataset in sold if can_be_requested(ws, dataset)]
    return names, [dataset.name for dataset in sold if dataset.name not in names]


def with_history(name: str) -> tuple[Dataset, tuple[str, ...]]:
    """Return the dataset whose past is sold under this name, and notes. Raises BadRequest when none is."""
    candidates = _datasets(named(name))
    past = registry.history(name)
    if past is None or (past.window is None and past.paging is None):
        raise BadRequest(
            f"{name} has no history to buy by date: {candidates[0].name} is sold only as it is now",
            advice=_no_history_advice(candidates),
        )
    if past in candidates:
        return past, ()
    return past, (f"{candidates[0].name} is sold only for now; its past is bought from {past.name}",)


def names_with_history() -> list[str]:
    """Return every flow and dataset that `with_history` accepts, flows first."""
    names = (*registry.feeds(), *(dataset.name for dataset in registry.datasets()))
    pasts = ((name, registry.history(name)) for name in names)
    return [name for name, past in pasts if past is not None and (past.window or past.paging)]


def _datasets(found: Feed | Dataset) -> list[Dataset]:
    return [found] if isinstance(found, Dataset) else [registry.dataset(name) for name in found.datasets]


def _no_history_advice(candidates: Sequence[Dataset]) -> str:
    twins = [dataset.repaired_by for dataset in candidates if dataset.repaired_by]
    if twins:
        return f"`tollbook run {twins[0]}` buys what {twins[0]} still lists"
    return f"keep it fresh by a schedule instead: `tollbook run {candidates[0].name}`"
