"""Look up flows, tables and datasets by the names that a person types."""

from __future__ import annotations

from collections.abc import Sequence

from sources import registry
from sources.model import Dataset, Feed
from tasks.request.keys import can_be_requested
from tasks.request.model import BadRequest
from tasks.workspace.workspace import Workspace


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
