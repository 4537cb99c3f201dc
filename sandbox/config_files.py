"""The files a world writes for its buyers: policy.toml and sandbox.env."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.keys import CHAIN_ID, V1_NAME
from sandbox.seller import declared
from sandbox.seller.other_sellers import PATHS

if TYPE_CHECKING:
    from sandbox.world import World

_POLICY = """\
# Written by the sandbox at each start. Its chain, its tokens and its key are worth nothing.
[network]
chain_id = {chain_id}
v1_name = "{v1_name}"
rpc_url = "{rpc_url}"
finality = "safe"

{assets}
[sellers.tokenmetrics]
base_url = "{seller_url}"
pay_with = "{pay_with}"
pay_to = ["{pay_to}"]
tokens = {tokens}

{others}"""

_OTHER = """\
[sellers.{name}]
base_url = "{base_url}"
pay_with = "USDC"
pay_to = ["{pay_to}"]
watch = {watch}
"""

_WATCHED = {
    "heurist": '{"heurist-token-search" = ["BTC", "ETH"]}',
    "firecrawl": '{"firecrawl-search" = ["what is x402, and who sells by it?"]}',
    "coingecko": '{"coingecko-price" = ["bitcoin", "ethereum"]}',
    "glassnode": '{"glassnode-price-close" = ["BTC", "ETH"]}',
    "tavily": '{"tavily-search" = ["tokens that moved today, and why"]}',
}
"""What a buyer here keeps an eye on, by seller: a run of everything asks each of them for something."""

_ASSET = """\
[assets.{symbol}]
address = "{address}"
eip712_name = "{eip712_name}"
eip712_version = "{eip712_version}"
decimals = {decimals}

[caps.{symbol}]
per_call = "{call}"
per_run = "{run}"
per_flow_day = "{day}"
per_day = "{day}"
per_month = "{month}"
price_drift = "0.25"
"""

_CAPS = {
    "USDC": {"call": "0.10", "run": "50.00", "day": "100.00", "month": "500.00"},
    "TMAI": {"call": "2.00", "run": "1000.00", "day": "2000.00", "month": "10000.00"},
}


def policy(world: World, pay_with: str = "USDC") -> str:
    """The reviewed limits of a buyer in this world. TMAI stands in it when the world sells for it."""
    unshelved = declared.sellers(("tokenmetrics", *PATHS))
    symbols = ("USDC", "TMAI") if world.settings.tmai or pay_with == "TMAI" else ("USDC",)
    return _POLICY.format(
        chain_id=CHAIN_ID,
        v1_name=V1_NAME,
        rpc_url=world.rpc_url,
        assets="\n".join(_ASSET.format(**world.asset_of(symbol), **_CAPS[symbol]) for symbol in symbols),
        seller_url=world.seller_url,
        pay_with=pay_with,
        pay_to=world.pay_to,
        tokens=list(world.watch),
        others="\n".join(
            _OTHER.format(
                name=name,
                base_url=world.seller_base + path,
                pay_to=world.pay_to,
                watch=_WATCHED.get(name, "{}"),
            )
            for name, path in (PATHS | {seller.name: f"/{seller.name}" for seller in unshelved}).items()
        ),
    )


def exports(env: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


def write(path: Path, text: str) -> None:
    """Replace a file at once, so that no reader sees half of it."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    os.replace(draft, path)
