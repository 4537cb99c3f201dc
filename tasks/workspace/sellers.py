"""The sellers, watch lists and datasets of policy.toml: declared by files, and checked against what is declared."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from payer.policy.rules import Policy, SellerPolicy
from payer.values.errors import Misconfigured
from sources import registry
from sources.declaration.read import read_declaration
from sources.declaration.table import DeclarationFault
from sources.model import Dataset


def declare_sellers(policy: Policy, folder: Path) -> None:
    """Read each seller's file, whose path counts from `folder`, and declare them all. Raises Misconfigured."""
    named = [(seller.name, folder / seller.declaration) for seller in policy.sellers.values() if seller.declaration]
    try:
        registry.declare([read_declaration(path, name) for name, path in named])
    except DeclarationFault as fault:
        what = f"{fault.file}{f', line {fault.line}' if fault.line else ''}: {fault.what}"
        raise Misconfigured(f"a seller's declaration has a fault: {what}", advice=fault.fix) from None


def check_datasets(policy: Policy) -> None:
    """Raise Misconfigured for a dataset that its seller doesn't sell: a limit there would hold for nothing."""
    for seller in policy.sellers.values():
        sold = [dataset.name for dataset in registry.datasets() if dataset.seller == seller.name]
        for name in seller.datasets:
            if sold and name not in sold:
                near = difflib.get_close_matches(name, sold, n=1)
                advice = f"did you mean {near[0]}?" if near else f"it sells: {', '.join(sold)}"
                raise Misconfigured(
                    f"sellers.{seller.name}.datasets names {name!r}, which it doesn't sell", advice=advice
                )


def check_watch_lists(policy: Policy) -> None:
    """Raise Misconfigured for a dataset that its seller doesn't sell by key, or for two keys in one string."""
    for seller in policy.sellers.values():
        option = f"sellers.{seller.name}.watch"
        sold = {d.name: d for d in registry.datasets() if d.seller == seller.name and d.key_column is not None}
        for name, keys in seller.watch.items():
            if name not in sold:
                near = difflib.get_close_matches(name, sold, n=1)
                advice = f"did you mean {near[0]}?" if near else f"by key it sells: {', '.join(sold) or 'nothing'}"
                raise Misconfigured(f"{option} names {name!r}, which it doesn't sell", advice=advice)
            for key in comma_keys(sold[name], keys):
                each = ", ".join(f'"{word.strip()}"' for word in key.split(","))
                raise Misconfigured(f"{option}.{name} holds {key!r}, several in one", advice=f"write {each}")


def comma_keys(dataset: Dataset, keys: Iterable[str]) -> list[str]:
    """Return the keys that hold a comma: in a query string it would split them, so no real key has one."""
    return [key for key in keys if "," in key and dataset.body is None]


def check_seller_names(policy: Policy) -> None:
    """Raise Misconfigured for a misspelt seller: one that nothing declares, named almost as one that is.

    Others that nothing declares are bought from by programs with the httpx transport.
    """
    declared = [seller.name for seller in registry.sellers()]
    for name in policy.sellers:
        if name in declared:
            continue
        missing = [other for other in declared if other not in policy.sellers]
        if near := difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.8):
            raise Misconfigured(
                f"sellers.{name} is no seller that is declared",
                advice=f"did you mean [sellers.{near[0]}]? A seller of your own needs `declaration`, or another name",
            )


def named_seller(policy: Policy, name: str, file: Path) -> SellerPolicy:
    """Return what policy says of a seller. Raises Misconfigured when it doesn't name the seller."""
    if name in policy.sellers:
        return policy.sellers[name]
    sold = [dataset.seller for dataset in registry.datasets() if name in (dataset.name, dataset.table)]
    if sold:
        advice = f"name its seller, {sold[0]}"
    elif near := difflib.get_close_matches(name, policy.sellers, n=1):
        advice = f"did you mean {near[0]}?"
    else:
        advice = f"add [sellers.{name}] to {file}; named are: {', '.join(policy.sellers)}"
    raise Misconfigured(f"the policy names no seller {name!r}", advice=advice)
