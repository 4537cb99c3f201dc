"""Policies for buying in a sandbox: the text its world writes, with a test's own changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sandbox import config_files

if TYPE_CHECKING:
    from sandbox.world import World


def policy(
    world: World,
    *,
    version: int | None = None,
    validity: int = 120,
    fresh_quotes: bool = False,
    caps: Mapping[str, str] = MappingProxyType({}),
    pay_with: str = "USDC",
    **seller: object,
) -> str:
    """The world's policy with an x402 version fixed, caps replaced, and keys of the seller set ('loss_limit', …)."""
    text = config_files.policy(world, pay_with)
    if version is not None:
        text = text.replace(world.seller_url, f"{world.seller_base}/x402v{version}/v2")
    for key, value in caps.items():
        text = re.sub(rf"(?m)^{key} = .*$", f'{key} = "{value}"', text)
    age = "quote_max_age = 0\n" if fresh_quotes else ""
    text = f"[payment]\nvalidity_seconds = {validity}\n{age}\n{text}"
    head, table = text.split("[sellers.tokenmetrics]\n", 1)
    for key, value in seller.items():
        table = re.sub(rf"(?m)^{key} = .*\n", "", table, count=1)
        table = f"{key} = {_toml(value)}\n{table}"
    return f"{head}[sellers.tokenmetrics]\n{table}"


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
