"""Which keys a dataset is asked with: those a person names, else policy's watch list, else what earlier runs listed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from payer.values.errors import Misconfigured
from tasks.request.requests import BadRequest, Keys

if TYPE_CHECKING:
    from payer.policy.rules import Policy
    from sources.model import Dataset
    from tasks.workspace.workspace import Workspace

TOKENS = "tokens"
"""The free dataset that lists every token its seller knows: what --tokens is looked up in."""

TOKEN = "token_id"
KEY_TABLES = {"index_id": ("indices", ("index_id", "name", "ticker"))}
"""Where the keys of datasets not sold by token are listed, and the columns that a person may mean them by."""

EVERY_KEY = Keys()


def by_token(dataset: Dataset) -> bool:
    """Whether --tokens and the watch list `tokens` name its keys."""
    from sources import registry

    return dataset.key_column == TOKEN and dataset.seller == registry.dataset(TOKENS).seller


def by_key(dataset: Dataset) -> bool:
    """Whether --keys names its keys."""
    return dataset.key_column is not None and not by_token(dataset)


def keys_for(ws: Workspace, dataset: Dataset, keys: Keys = EVERY_KEY) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys a dataset is asked with: those named, else the watch list; one for a listing of everything.
    Returned with notes on what was repaired.

    Raises BadRequest when a dataset is sold by a key that nobody named, or by one that its seller doesn't list.
    """
    from sources.model import EVERYTHING

    if dataset.key_column is None:
        return (EVERYTHING,), ()
    named = keys.tokens if by_token(dataset) else keys.others
    chosen, notes = _watched(ws, dataset) if named is None else (named, ())
    if by_key(dataset):
        notes += _check_known(ws, dataset, chosen)
    if not chosen:
        raise BadRequest(f"{dataset.name} is sold by {dataset.key_column} and none is named", advice=_how(dataset))
    return chosen, notes


def askable(ws: Workspace, dataset: Dataset) -> bool:
    """Whether a run of everything can ask for it: what is sold by a key needs some on the watch list, or a table."""
    keyless = dataset.key_column is None or by_token(dataset) or dataset.key_column in KEY_TABLES
    return keyless or bool(_watched(ws, dataset)[0])


def check_named(datasets: Sequence[Dataset], tokens: str | None, keys: Sequence[str]) -> None:
    """Raises BadRequest when --tokens or --keys fits none of what is asked for, or --keys fits several kinds of key."""
    names = ", ".join(dataset.name for dataset in datasets)
    if tokens is not None and not any(by_token(dataset) for dataset in datasets):
        keyed = next((dataset for dataset in datasets if by_key(dataset)), None)
        how = f"name its {keyed.key_column} with --keys" if keyed else "leave it out"
        raise BadRequest(f"--tokens names tokens, and {names} is not sold by token", advice=how)
    if not keys:
        return
    if not all(key.strip() for key in keys):
        raise BadRequest("--keys is empty", advice="write one key each time, such as --keys bitcoin --keys ethereum")
    kinds = {(dataset.seller, dataset.key_column): dataset for dataset in datasets if by_key(dataset)}
    if not kinds:
        raise BadRequest(f"--keys names nothing of {names}", advice="leave it out, or name tokens with --tokens")
    if len(kinds) > 1:
        which = ", ".join(f"{column} of {seller}" for seller, column in kinds)
        advice = "run them one at a time, or list the keys of each in the policy file"
        raise BadRequest(f"--keys is of which: {which}?", advice=advice)
    for dataset in kinds.values():
        for key in _joined(dataset, keys):
            several = " ".join(f"--keys {word.strip()}" for word in key.split(","))
            raise BadRequest(f"--keys {key!r} is no {dataset.key_column}: it holds a comma", advice=f"write {several}")


def check_watch(policy: Policy) -> None:
    """Raises Misconfigured for a watch list of what its seller doesn't sell by key, or with two keys in one."""
    from sources import registry

    for seller in policy.sellers.values():
        own = f"sellers.{seller.name}.watch"
        sold = {d.name: d for d in registry.datasets() if d.seller == seller.name and d.key_column is not None}
        for name, keys in seller.watch.items():
            if name not in sold:
                near = difflib.get_close_matches(name, sold, n=1)
                known = f"did you mean {near[0]}?" if near else f"by key it sells: {', '.join(sold) or 'nothing'}"
                raise Misconfigured(f"{own} names {name!r}, which it doesn't sell", advice=known)
            for key in _joined(sold[name], keys):
                each = ", ".join(f'"{word.strip()}"' for word in key.split(","))
                raise Misconfigured(f"{own}.{name} holds {key!r}, several in one", advice=f"write {each}")


def _watched(ws: Workspace, dataset: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    seller = ws.policy.sellers[dataset.seller]
    if dataset.name in seller.watch:
        return seller.watch[dataset.name], ()
    if by_token(dataset):
        return tuple(str(token) for token in seller.tokens), ()
    known, notes = _known(ws, dataset)
    return tuple(known), notes


def _how(dataset: Dataset) -> str:
    policy = f"under sellers.{dataset.seller}"
    if by_token(dataset):
        return f"name some with --tokens, or list them {policy}.tokens in the policy file"
    table, _ = KEY_TABLES.get(dataset.key_column or "", ("", ()))
    listed = f"`tollbook run {table}` lists all there are; or " if table else ""
    return f'{listed}name some with --keys, or list them {policy}: watch = {{"{dataset.name}" = ["…"]}}'


def _joined(dataset: Dataset, keys: Iterable[str]) -> list[str]:
    """Keys with a comma in them: in a query string it would part them, so no key of such a dataset holds one."""
    return [key for key in keys if "," in key and dataset.body is None]


def _check_known(ws: Workspace, dataset: Dataset, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Raises BadRequest, with near matches, for a key that the listing bought earlier doesn't have; returns notes."""
    known, notes = _known(ws, dataset)
    for key in chosen:
        if known and key not in known:
            raise BadRequest(
                f"no {dataset.key_column} is called {key!r} among {len(known)} known", advice=_near(key, known)
            )
    return notes


def _near(key: str, known: dict[str, tuple[str, ...]]) -> str:
    by_word = {word.lower(): own for own, words in known.items() for word in words}
    near = difflib.get_close_matches(key.lower(), by_word, n=3, cutoff=0.6)
    found = dict.fromkeys(by_word[word] for word in near)
    if not found:
        return "there are " + ", ".join(known)
    return "did you mean " + " or ".join(f"{own} ({', '.join(known[own][1:])})" for own in found) + "?"


def _known(ws: Workspace, dataset: Dataset) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Keys that an earlier run brought as rows, each with the words it goes by: indices, for what is sold by index.
    Returned with notes on what was repaired."""
    table, columns = KEY_TABLES.get(dataset.key_column or "", ("", ()))
    if not table:
        return {}, ()
    rows, notes = ws.from_cache(lambda cache: cache.distinct(table, columns))
    return {str(row[0]): tuple(str(word) for word in row if word is not None) for row in rows}, notes
