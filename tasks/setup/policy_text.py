"""The text of a policy file with what was chosen in it: the shipped template, or the file that is there, edited.

Comments, order and every other key stay as their author wrote them. Chosen are a network (Base Sepolia to practise on,
Base, or a sandbox's chain), caps (those that were named, and the others made to fit them) and a watch list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

import tomlkit
from tomlkit.items import Array

from payer.values.errors import Misconfigured

SELLER = "tokenmetrics"
ASSET = "USDC"


@dataclass(frozen=True, slots=True)
class Network:
    """A chain as policy names it. `network`, `asset` and `seller` are keys of [network], [assets.USDC] and
    [sellers.tokenmetrics]; `faucet` says how test money is had, "" where only real money is."""

    name: str
    title: str
    network: Mapping[str, Any]
    asset: Mapping[str, Any]
    seller: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    faucet: str = ""

    @property
    def chain_id(self) -> int:
        return int(self.network["chain_id"])


def _usdc(address: str, eip712_name: str) -> dict[str, Any]:
    return {"address": address, "eip712_name": eip712_name, "eip712_version": "2", "decimals": 6}


BASE_SEPOLIA = Network(
    "base-sepolia",
    "Base Sepolia, test money",
    {"chain_id": 84532, "v1_name": "base-sepolia", "rpc_url": "https://sepolia.base.org"},
    _usdc("0x036CbD53842c5426634e7929541eC2318f3dCF7e", "USDC"),
    faucet="test USDC is free at https://faucet.circle.com (choose Base Sepolia)",
)
BASE = Network(
    "base",
    "Base, real money",
    {"chain_id": 8453, "v1_name": "base", "rpc_url": "https://mainnet.base.org"},
    _usdc("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "USD Coin"),
)
NETWORKS: Mapping[str, Network] = MappingProxyType({each.name: each for each in (BASE_SEPOLIA, BASE)})


def of_world(policy: Mapping[str, Any]) -> Network:
    """The network of a sandbox, from the policy that its world wrote."""
    seller = policy["sellers"][SELLER]
    return Network(
        "sandbox",
        "the sandbox's chain, money of no worth",
        {key: policy["network"][key] for key in ("chain_id", "v1_name", "rpc_url")},
        {key: policy["assets"][ASSET][key] for key in ("address", "eip712_name", "eip712_version", "decimals")},
        {key: seller[key] for key in ("base_url", "pay_to")},
    )


def of_policy(policy: Mapping[str, Any]) -> Network | None:
    """The network that a policy file names, None for one that init does not know."""
    chain_id = policy.get("network", {}).get("chain_id")
    return next((each for each in NETWORKS.values() if each.chain_id == chain_id), None)


CAPS = ("per_call", "per_run", "per_flow_day", "per_day", "per_month")
"""From the narrowest to the widest; amounts are text in the asset."""


def fitted(current: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """Return all caps: the named ones as they are, and of the others those that they contradict moved to fit.

    A narrow cap that would never be met, because a wider one that was named is lower, becomes that one; a wide cap
    below a narrower one that was named is raised to it. Raises Misconfigured for named ones that contradict each other.
    """
    caps = {**current, **named}
    for wide, cap in enumerate(CAPS):
        for narrow in CAPS[:wide]:
            if _amount(narrow, caps[narrow]) <= _amount(cap, caps[cap]):
                continue
            if narrow in named and cap in named:
                raise Misconfigured(
                    f"{narrow} = {caps[narrow]} is above {cap} = {caps[cap]}, and would never be met",
                    advice=f"name a lower {_option(narrow)}, or a higher {_option(cap)}",
                )
            if cap in named:
                caps[narrow] = caps[cap]
            else:
                caps[cap] = caps[narrow]
    return caps


def _option(cap: str) -> str:
    return "--" + cap.replace("_", "-")


def _amount(cap: str, text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise Misconfigured(
            f"{cap} is {text[:40]!r}, and no amount", advice=f'write {_option(cap)} as an amount such as "0.50"'
        )
    return amount


@dataclass(frozen=True, slots=True)
class Listed:
    """A token of the watch list, as the seller's free lists have it. `price` and `market_cap` are in US dollars."""

    token_id: int
    symbol: str | None = None
    name: str | None = None
    rank: int | None = None
    market_cap: float | None = None
    price: float | None = None

    @property
    def comment(self) -> str:
        """The words beside the id in the file, on one line: a name is a stranger's text."""
        words = " ".join(part for part in (self.symbol, self.name) if part)
        return "".join(each for each in words if each.isprintable())[:60].strip()


def drafted(text: str, *, network: Network | None, caps: Mapping[str, str], tokens: Iterable[Listed] | None) -> str:
    """Return the policy with the network, the caps and the watch list in it; None leaves what is there.

    A value that is there already, and a watch list of the same tokens, keep their lines as they are.
    """
    policy = tomlkit.parse(text)
    if network is not None:
        if "rpc_urls" in (table := _table(policy, ("network",))) and table.get("chain_id") != network.chain_id:
            del table["rpc_urls"]
        _set(policy, ("network",), network.network)
        _set(policy, ("assets", ASSET), network.asset)
        _set(policy, ("sellers", SELLER), network.seller)
    _set(policy, ("caps", ASSET), caps)
    listed = None if tokens is None else list(tokens)
    if listed is not None:
        seller = _table(policy, ("sellers", SELLER))
        if [int(token) for token in seller.get("tokens", [])] != [token.token_id for token in listed]:
            seller["tokens"] = _array(listed)
    return tomlkit.dumps(policy)


def _set(policy: Any, path: tuple[str, ...], values: Mapping[str, Any]) -> None:
    table = _table(policy, path)
    for key, value in values.items():
        if table.get(key) != value:
            table[key] = value


def _table(policy: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        policy = policy.setdefault(name, tomlkit.table())
    return policy


def _array(tokens: Iterable[Listed]) -> Array:
    array = tomlkit.array()
    for token in tokens:
        array.add_line(token.token_id, comment=token.comment or None)
    array.add_line(indent="")
    return array
