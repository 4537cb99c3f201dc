"""The sandbox's accounts. Every key is public: well-known development keys, and keys derived by a printed rule."""

from __future__ import annotations

import hashlib

CHAIN_ID = 31337
"""The only chain id a sandbox signs for. A signature for 8453 or 84532 could be spent on a real chain."""

NETWORK = f"eip155:{CHAIN_ID}"
V1_NAME = "sandbox"

# Accounts 0-4 of the mnemonic "test test test test test test test test test test test junk".
WALLET_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
RELAYER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
BROKE_RELAYER_KEY = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
DEPLOYER_KEY = "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"

PAY_TO = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
THIEF = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"


def buyer_key(name: str) -> str:
    """The throwaway key of a buyer by name: SHA-256 of "tollbook sandbox buyer <name>"."""
    return "0x" + hashlib.sha256(f"tollbook sandbox buyer {name}".encode()).hexdigest()
