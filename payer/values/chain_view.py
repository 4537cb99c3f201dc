"""The chain's view of one nonce, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Settlement:
    """Proof of payment: AuthorizationUsed(payer, nonce) and the matching Transfer, from one transaction receipt.

    `value` is in atomic units; `final` says whether the block is one that policy calls final.
    """

    tx_hash: str
    block_number: int
    block_hash: str
    block_time: datetime
    pay_to: str
    value: int
    final: bool


class NonceState(StrEnum):
    """The token contract's state of (payer, nonce). `authorizationState` alone can't tell USED from CANCELLED."""

    UNUSED = "unused"
    USED = "used"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ChainView:
    """The chain's answer about one nonce, read at two pinned blocks: the head, and the one that policy calls final.

    Block times are unix seconds. `agreed`: as many servers as policy asks for say the same; on another view no money is
    freed. `as_signed`: the ledger has a signature with the settlement's payee and value, maybe an earlier one.
    """

    head_number: int
    head_time: int
    final_number: int
    final_time: int
    state: NonceState
    state_final: NonceState
    settlement: Settlement | None = None
    agreed: bool = True
    as_signed: bool = False


class NotSeen(Enum):
    """The reason why there is no view of the chain. Neither is ever read as "unused" (I9)."""

    UNREAD = "unread"
    UNREACHABLE = "unreachable"


View: TypeAlias = ChainView | NotSeen


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
