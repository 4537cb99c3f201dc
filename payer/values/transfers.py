"""A token transfer out of the wallet, as the chain shows it and the ledger keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransferOut:
    """One Transfer out of the wallet, `value` in atomic units. `nonce` None: made without an authorization."""

    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    pay_to: str
    value: int
    nonce: str | None
