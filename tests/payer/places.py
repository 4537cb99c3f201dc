"""Policies for buying in a sandbox: the file its world writes, with a test's own changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollbook.sandbox.world import World


def policy(world: World, *, version: int | None = None, validity: int = 120, caps: str = "", **seller: object) -> str:
    """The world's policy with an x402 version fixed, and keys of the seller set ('loss_limit', 'timeout_seconds', …).

    `caps` replaces lines of [caps.USDC], each as "key = value".
    """
    text = world.policy_path.read_text()
    if version is not None:
        text = text.replace(world.seller_url, f"{world.seller_base}/x402v{version}/v2")
    for line in caps.splitlines():
        key = line.split("=")[0].strip()
        text = re.sub(rf"(?m)^{key} = .*$", line.strip(), text)
    text = f"[payment]\nvalidity_seconds = {validity}\n\n{text}"
    head, table = text.split("[sellers.tokenmetrics]\n", 1)
    for key, value in seller.items():
        table = re.sub(rf"(?m)^{key} = .*\n", "", table, count=1)
        table = f"{key} = {_toml(value)}\n{table}"
    return f"{head}[sellers.tokenmetrics]\n{table}"


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
