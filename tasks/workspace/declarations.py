"""The sellers that policy declares by a file: read, and told to the process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.errors import Misconfigured
from sources import registry
from sources.declaration.fault import DeclarationFault
from sources.declaration.read import read_declaration

if TYPE_CHECKING:
    from payer.policy.rules import Policy


def declare_sellers(policy: Policy, folder: Path) -> None:
    """Read each seller's file, whose path counts from `folder`, and declare them all. Raises Misconfigured."""
    named = [(seller.name, folder / seller.declaration) for seller in policy.sellers.values() if seller.declaration]
    try:
        registry.declare([read_declaration(path, name) for name, path in named])
    except DeclarationFault as fault:
        what = f"{fault.file}{f', line {fault.line}' if fault.line else ''}: {fault.what}"
        advice = fault.fix
    else:
        return
    raise Misconfigured(f"a seller's declaration has a fault: {what}", advice=advice)
