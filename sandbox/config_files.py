"""The files that a world writes for its buyers: policy.toml and sandbox.env."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sandbox.keys import CHAIN_ID, V1_NAME

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
{declaration}"""

_WATCHED = {
    "heurist": '{"heurist-token-search" = ["BTC", "ETH"]}',
    "firecrawl": '{"firecrawl-search" = ["what is x402, and who sells by it?"]}',
    "coingecko": '{"coingecko-price" = ["bitcoin", "ethereum"]}',
    "glassnode": '{"glassnode-price-close" = ["BTC", "ETH"]}',
    "tavily": '{"tavily-search" = ["tokens that moved today, and why"]}',
}
"""Watched keys by seller, so that a run of everything asks each seller for something."""

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


def policy(
    *,
    rpc_url: str,
    seller_url: str,
    pay_with: str,
    pay_to: str,
    tokens: Sequence[int],
    assets: Sequence[Mapping[str, Any]],
    other_sellers: Mapping[str, str],
    declarations: Mapping[str, Path] = MappingProxyType({}),
) -> str:
    """The text of policy.toml: caps, and terms for Token Metrics at `seller_url` and `other_sellers` (name to URL).

    `declarations` are the files that declare some of those, by name. `assets` are fields of payer.values.money.Asset,
    of which `pay_with` names one; `tokens` are watched token ids.
    """
    return _POLICY.format(
        chain_id=CHAIN_ID,
        v1_name=V1_NAME,
        rpc_url=rpc_url,
        assets="\n".join(_ASSET.format(**asset, **_CAPS[asset["symbol"]]) for asset in assets),
        seller_url=seller_url,
        pay_with=pay_with,
        pay_to=pay_to,
        tokens=list(tokens),
        others="\n".join(
            _OTHER.format(
                name=name,
                base_url=url,
                pay_to=pay_to,
                watch=_WATCHED.get(name, "{}"),
                declaration=f"declaration = {json.dumps(str(declarations[name]))}\n" if name in declarations else "",
            )
            for name, url in other_sellers.items()
        ),
    )


def exports(env: Mapping[str, str]) -> str:
    """The text of sandbox.env: one quoted `export` line per variable."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


def write(path: Path, text: str) -> None:
    """Replace a file atomically, so that no reader sees half of it."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    os.replace(draft, path)
