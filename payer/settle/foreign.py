"""Sum up the transfers of the wallet that its ledger has no purchase for; `reconcile --list-foreign` lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from payer.values.chain_view import TransferOut
from payer.values.money import Amount, Asset


@dataclass(frozen=True, slots=True)
class Foreign:
    """The foreign transfers of one asset. `held` are another ledger's purchases with rows here: ids by transaction."""

    asset: Asset
    transfers: tuple[TransferOut, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)

    @property
    def signed(self) -> Sequence[TransferOut]:
        """Those that an authorization of the wallet made."""
        return [transfer for transfer in self.transfers if transfer.nonce is not None]

    @property
    def line(self) -> str:
        """One sentence for people; "" for none."""
        if not self.transfers:
            return ""
        plain, signed = len(self.transfers) - len(self.signed), len(self.signed)
        rows = sum(transfer.tx_hash in self.held for transfer in self.transfers)
        parts = [
            f"{signed} by authorizations (another home of this wallet, or a ledger that was lost)" if signed else "",
            f"the rows of {rows} are in the tables" if rows else "",
            f"{plain} without an authorization" if plain else "",
        ]
        total = Amount(sum(transfer.value for transfer in self.transfers), self.asset)
        count = len(self.transfers)
        told = f"{count} transfer" if count == 1 else f"{count} transfers"
        return f"{total} in {told} is not this ledger's: {'; '.join(filter(None, parts))}"

    def document(self, *, listed: bool) -> dict[str, Any]:
        """The counts, and with `listed` each transfer."""
        return {
            "transfers": len(self.transfers),
            "signed": len(self.signed),
            "value_atomic": sum(transfer.value for transfer in self.transfers),
            "listed": [self._entry(transfer) for transfer in self.transfers] if listed else [],
        }

    def _entry(self, transfer: TransferOut) -> dict[str, Any]:
        return {
            "tx_hash": transfer.tx_hash,
            "to": transfer.pay_to,
            "value_atomic": transfer.value,
            "nonce": transfer.nonce,
            "purchase_id": self.held.get(transfer.tx_hash),
        }
