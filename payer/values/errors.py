"""What can go wrong around a payment. Each error answers: was money sent, may I retry, what should a person do.

PayerError
├─ Misconfigured          configuration or a secret is wrong; nothing signed            exit 2
│  └─ PolicyMissing       there is no policy file
├─ Refused                policy or a cap said no; nothing signed, no money              exit 3
│  ├─ OverBudget          which cap, how much is committed, how much was asked
│  ├─ QuoteUnacceptable   host, payTo, asset, network, scheme, price, malformed terms
│  └─ ConflictingRequest  the same purchase key with other content
├─ Unreachable            seller or chain did not answer; nothing spent by this run      exit 6
│  ├─ SellerUnreachable
│  └─ ChainUnreachable
├─ Unresolved             sent, outcome unknown; money stays exposed; run again later    exit 4
├─ Unforeseen             a defect of ours met one purchase; the others go on             exit 4
├─ PaidUndelivered        spent, no body; a person decides (accept-loss)                 exit 5
└─ LedgerUnavailable      the books can't be written: stop, nothing may be signed        exit 6
   ├─ Unbooked            an answer to a payment came and can't be written down           exit 4
   ├─ BackupFailed        a backup can't be written; the books are as they were           exit 6
   └─ LedgerTooNew        written by a later tollbook                                    exit 2

Beside the payer, in the same three sentences: CacheTrouble and DiskTrouble (tasks/trouble.py, exit 6), LedgerLacks
(warehouse/rebuild.py, a Misconfigured).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

_WORST_FIRST = (5, 4, 3, 6, 2, 0)


def worst(codes: Iterable[int]) -> int:
    """One exit code for several: what needs a person first, then what is in doubt."""
    return min(codes, key=_WORST_FIRST.index, default=0)


class PayerError(Exception):
    """Base of all. `money`, `repeat` and `advice` are sentences for a person; `exit_code` is the command's."""

    money: ClassVar[str] = "unknown"
    repeat: ClassVar[str] = "no"
    advice: ClassVar[str] = ""
    exit_code: ClassVar[int] = 4

    def __init__(self, what: str, *, advice: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = advice if advice is not None else self.advice


class Misconfigured(PayerError):
    """Raised before anything is opened or signed: a key, a file or a value is missing or wrong."""

    money = "none was sent"
    repeat = "yes, once the configuration is mended"
    exit_code = 2


class PolicyMissing(Misconfigured):
    """Raised when there is no policy file to read."""

    advice = "write one (docs/policy.md has every key), or set TOLLBOOK_POLICY to where it is"


class Refused(PayerError):
    """Raised when policy does not allow a purchase. Nothing was signed."""

    money = "none was sent"
    repeat = "yes, it will be judged anew"
    advice = "review the policy file; it is the only place where this may be allowed"
    exit_code = 3


class OverBudget(Refused):
    """Raised when a reservation would cross a cap; the message names the cap, what is committed and what was asked."""

    advice = "wait for the cap's period to pass, or raise the cap in the policy file"


class QuoteUnacceptable(Refused):
    """Raised when a seller's terms are malformed or outside policy; the message names the field.

    `offered` is the price in atoms where the price alone is what policy doesn't allow; None: no price is known.
    """

    offered: int | None = None


class ConflictingRequest(Refused):
    """Raised when a purchase key is met again with other content: two requests hash alike or a caller changed one."""

    advice = "report this: a purchase key must belong to one request"


class Unreachable(PayerError):
    """Raised when a peer does not answer before anything was sent."""

    money = "none was spent by this run"
    repeat = "yes"
    exit_code = 6


class SellerUnreachable(Unreachable):
    """Raised when the seller can't be asked for terms."""

    advice = "check the seller's base_url and the network, then run again"


class ChainUnreachable(Unreachable):
    """Raised when the chain's RPC does not answer, lags or serves another chain (I9: unknown is never false)."""

    advice = "check network.rpc_url in the policy file; open purchases stay exposed until the chain can be read"


class Unresolved(PayerError):
    """Raised when a payment was sent and its outcome is not yet provable. The money stays exposed."""

    money = "sent; whether it was taken is not known yet"
    repeat = "yes: the same authorization is presented again, which can settle once only"
    advice = "run `tollbook recover` later; it settles or voids by proof from the chain"
    exit_code = 4


class Unforeseen(PayerError):
    """Raised when one purchase failed in a way that nobody foresaw. What the ledger says of it still holds."""

    money = "as the ledger has it: `tollbook status` shows it"
    repeat = "yes: the purchase goes on from the ledger, and its nonce can settle once only"
    advice = "report this, then run `tollbook recover`"
    exit_code = 4


class PaidUndelivered(PayerError):
    """Raised when the chain shows the payment and every claim for the body failed."""

    money = "spent"
    repeat = "no: it is never bought again without a person's word"
    advice = "ask the seller with the transaction hash, or run `tollbook accept-loss PURCHASE` to allow buying it again"
    exit_code = 5


class LedgerUnavailable(PayerError):
    """Raised when the ledger can't be opened or written. Nothing may be signed without it."""

    money = "none was sent by this step"
    repeat = "yes, once the ledger can be written"
    advice = "check TOLLBOOK_HOME or TOLLBOOK_LEDGER_URL: disk space, permissions, the server"
    exit_code = 6


class Unbooked(LedgerUnavailable):
    """Raised when an answer to a payment can't be written down; the message says where its body is kept, if it is."""

    money = "sent; whether it was taken is not known yet"
    repeat = "yes, once the ledger can be written: the purchase is exposed in it, and no second one is made"
    advice = "mend the ledger (disk space, permissions, the server), then run `tollbook recover`"
    exit_code = 4


class BackupFailed(LedgerUnavailable):
    """Raised when a copy of the ledger can't be written. The ledger is as it was; nothing of the copy is left."""

    repeat = "yes, once there is a place for it: nothing of this one is left"
    advice = "name a folder that may be written, on a disk with room for twice the ledger"


class LedgerTooNew(LedgerUnavailable):
    """Raised when the ledger's schema is newer than this program knows."""

    advice = "upgrade tollbook; an older program never writes a newer ledger"
    exit_code = 2
