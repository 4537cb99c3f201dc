"""The sellers that policy names, against those that are declared."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.errors import Misconfigured
from sources import registry

if TYPE_CHECKING:
    from payer.policy.rules import Policy, SellerPolicy


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
