"""The networks that init writes policies for: Base Sepolia to practise on, Base, and a sandbox's chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

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


BASE_SEPOLIA = Network(
    "base-sepolia",
    "Base Sepolia, test money",
    {"chain_id": 84532, "v1_name": "base-sepolia", "rpc_url": "https://sepolia.base.org"},
    {
        "address": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
        "eip712_name": "USDC",
        "eip712_version": "2",
        "decimals": 6,
    },
    faucet="test USDC is free at https://faucet.circle.com (choose Base Sepolia)",
)
BASE = Network(
    "base",
    "Base, real money",
    {"chain_id": 8453, "v1_name": "base", "rpc_url": "https://mainnet.base.org"},
    {
        "address": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
        "eip712_name": "USD Coin",
        "eip712_version": "2",
        "decimals": 6,
    },
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
