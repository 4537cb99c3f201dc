"""Links to a chain's public explorer."""

from __future__ import annotations

EXPLORERS = {
    "eip155:1": "https://etherscan.io",
    "eip155:10": "https://optimistic.etherscan.io",
    "eip155:137": "https://polygonscan.com",
    "eip155:8453": "https://basescan.org",
    "eip155:42161": "https://arbiscan.io",
    "eip155:84532": "https://sepolia.basescan.org",
}
"""Explorers by CAIP-2 network. A sandbox's chain has none."""


def transaction_url(network: str, tx_hash: str | None) -> str | None:
    """The page of a transaction, None where the chain has no public explorer, or there is no transaction yet."""
    site = EXPLORERS.get(network)
    return f"{site}/tx/{tx_hash}" if site and tx_hash else None
