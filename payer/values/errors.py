"""The errors around a payment. Each answers three questions: was money sent, may I retry, what should I do.

PayerError, with the command's exit code
├─ Misconfigured 2      ─ BadCopy, PolicyMissing
├─ Refused 3            ─ OverBudget, Frozen, QuoteUnacceptable (─ NotOffered 2), ConflictingRequest, SignerRefused
├─ Unreachable 6        ─ SellerUnreachable, ChainUnreachable, SignerUnreachable
├─ Interrupted 4, EndedVoid 4, Unresolved 4, Unforeseen 4
├─ PaidUndelivered 5
└─ LedgerUnavailable 6  ─ LedgerReplaced 4, Unbooked 4, LedgerDamaged 4, BackupFailed, NotALedger 2 (─ DamagedFile),
                          LedgerTooNew 2

Errors of other packages derive from these and answer the same questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

_WORST_FIRST = (5, 4, 3, 6, 2, 0)


def worst(codes: Iterable[int]) -> int:
    """Return one exit code for several: first what needs an operator, then what is in doubt; 0 for none."""
    return min(codes, key=_WORST_FIRST.index, default=0)


class PayerError(Exception):
    """Base of all payer errors.

    `money`, `repeat` and `advice` answer the three questions; `exit_code` is the command's. `what` is the message,
    `fix` the advice of this instance.
    """

    money: ClassVar[str] = "unknown"
    repeat: ClassVar[str] = "no"
    advice: ClassVar[str] = ""
    exit_code: ClassVar[int] = 4

    def __init__(self, what: str, *, advice: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = advice if advice is not None else self.advice


class Misconfigured(PayerError):
    """Raised when a key, a file or a value is missing or wrong, before anything is opened or signed."""

    money = "none was sent"
    repeat = "yes, once the configuration is corrected"
    exit_code = 2


class PolicyMissing(Misconfigured):
    """Raised when there is no policy file to read."""

    advice = "write one (docs/policy.md has every key), or set TOLLBOOK_POLICY to where it is"


class BadCopy(Misconfigured):
    """Raised when a backup would overwrite something, or a restore is given what is no backup, or a full ledger."""

    repeat = "yes, once another path is named"


class Refused(PayerError):
    """Raised when policy does not allow a purchase; nothing was signed."""

    money = "none was sent"
    repeat = "yes, it is judged again"
    advice = "review the policy file; it is the only place where this may be allowed"
    exit_code = 3


class OverBudget(Refused):
    """Raised when a purchase would cross a cap, a loss limit or the wallet's balance; the message has the amounts."""

    advice = "wait for the cap's period to pass, or raise the cap in the policy file"


class Frozen(Refused):
    """Raised when an operator has frozen the seller, or every seller; the message has who, when and why."""

    repeat = "yes, once it is unfrozen: it is judged again"
    advice = "run `tollbook unfreeze` when buying may go on; payments on their way are still finished"


class QuoteUnacceptable(Refused):
    """Raised when a seller's terms are malformed or outside policy; the message names the field.

    `offered` is the price in atomic units if the price alone is outside policy, else None.
    """

    offered: int | None = None


class NotOffered(QuoteUnacceptable):
    """Raised when a seller refuses an unpaid request, naming no price, for its address, headers or parameters."""

    repeat = "yes, once what it names is corrected"
    exit_code = 2


class ConflictingRequest(Refused):
    """Raised when a purchase key comes with another request than the one in the ledger."""

    advice = "report this: a purchase key must belong to one request"


class SignerRefused(Refused):
    """Raised when the remote signer refuses to sign, or answers with what is not this wallet's signature.

    Nothing was sent: a wrong signature is discarded before anything leaves this machine.
    """

    repeat = "yes, once the signer signs: the same nonce is signed, which can settle once only"
    advice = "check the signer's rules, its log, and the key that it uses for this wallet"


class Unreachable(PayerError):
    """Raised when a server does not answer and this run has spent nothing on the request."""

    money = "none was spent by this run"
    repeat = "yes"
    exit_code = 6


class SellerUnreachable(Unreachable):
    """Raised when the seller does not answer, or is too busy to."""

    advice = "check the seller's base_url and the network, then run again"


class ChainUnreachable(Unreachable):
    """Raised when the chain's RPC server does not answer, lags or serves another chain (I9)."""

    advice = "check network.rpc_url in the policy file; open purchases stay exposed until the chain can be read"


class SignerUnreachable(Unreachable):
    """Raised when the remote signer does not answer in time, or not as a signer does; nothing was sent."""

    money = "none was sent"
    repeat = "yes: the same nonce is signed, which can settle once only"
    advice = "check that the signer runs, and TOLLBOOK_SIGNER_URL; then run again"


class Interrupted(PayerError):
    """Raised when the run was stopped before this was begun; nothing was signed for it."""

    money = "none was sent for this"
    repeat = "yes: it goes on where it was stopped, and nothing is bought twice"
    advice = "run it again"


class EndedVoid(PayerError):
    """Raised when a payment was sent, not taken, and can never be taken any more: proved by the chain."""

    money = "none was taken: its authorization has run out unused, by proof from the chain"
    repeat = "yes: it is signed again, inside the caps"
    advice = "read the seller's last answer above, run again later, or ask the seller"


class Unresolved(PayerError):
    """Raised when a payment was sent and its outcome can't be proved yet; the money stays exposed."""

    money = "sent; whether it was taken is not known yet"
    repeat = "yes: the same authorization is presented again, which can settle once only"
    advice = "run `tollbook recover` later; it settles or voids by proof from the chain"


class Unforeseen(PayerError):
    """Raised when a defect of tollbook stops a purchase or a command; what the ledger says still holds."""

    money = "if anything was sent it is in the ledger: `tollbook status` shows it"
    repeat = "yes: open purchases are claimed first, and a nonce can settle once only"
    advice = "report this with the message above, then run `tollbook recover`"


class PaidUndelivered(PayerError):
    """Raised when the chain shows the payment and every claim for the body failed."""

    money = "spent"
    repeat = "no: it is never bought again without operator approval"
    advice = "ask the seller with the transaction hash, or run `tollbook accept-loss PURCHASE` to allow buying it again"
    exit_code = 5


class LedgerUnavailable(PayerError):
    """Raised when the ledger can't be opened or written; nothing may be signed without it."""

    money = "none was sent by this step"
    repeat = "yes, once the ledger can be written"
    advice = "check TOLLBOOK_HOME or TOLLBOOK_LEDGER_URL: disk space, permissions, the server"
    exit_code = 6


class LedgerReplaced(LedgerUnavailable):
    """Raised when the ledger's file was deleted or replaced while it was open: its books no longer exist."""

    money = "what was sent before is on the chain; nothing was sent after this was noticed"
    repeat = "yes, after the ledger is put back: the same pieces have the same nonces, and a nonce can settle once only"
    advice = "put the file back, or `tollbook restore` a backup, then run `tollbook recover`"
    exit_code = 4


class Unbooked(LedgerUnavailable):
    """Raised when an answer to a payment can't be written down; the message says where its body is kept, if at all."""

    money = "sent; whether it was taken is not known yet"
    repeat = "yes, once the ledger can be written: the purchase is exposed in it and is not paid a second time"
    advice = "repair the ledger (disk space, permissions, the server), then run `tollbook recover`"
    exit_code = 4


class LedgerDamaged(LedgerUnavailable):
    """Raised when purchases or caps in the ledger are not what its events fold to; the message names them."""

    money = "none was sent: nothing is signed on such a ledger"
    repeat = "no, not before the ledger is restored"
    advice = (
        "keep a copy of this ledger, move it aside and `tollbook restore` the newest backup (nothing is paid twice: "
        "the chain knows every nonce that was used); report it if no other program wrote to the ledger"
    )
    exit_code = 4


class BackupFailed(LedgerUnavailable):
    """Raised when a copy of the ledger can't be written; the ledger is unchanged and the partial copy is removed."""

    repeat = "yes, once there is a place for it: the partial copy was removed"
    advice = "name a writable folder on a disk with room for twice the ledger"


class LedgerTooNew(LedgerUnavailable):
    """Raised when the ledger's schema is newer than this tollbook knows."""

    advice = "upgrade tollbook; an older version never writes a newer ledger"
    exit_code = 2


class NotALedger(LedgerUnavailable):
    """Raised when the ledger's URL can't be used, or names a damaged file or another program's database.

    Nothing was written to that database.
    """

    repeat = "yes, once TOLLBOOK_LEDGER_URL names a ledger"
    advice = (
        "correct TOLLBOOK_LEDGER_URL (sqlite:////absolute/path, or postgresql://user@host/database with a database of "
        "its own), or unset it for state/ledger.db under TOLLBOOK_HOME"
    )
    exit_code = 2


class DamagedFile(NotALedger):
    """Raised when the file of a SQLite ledger is damaged, or no database at all."""

    repeat = "yes, once a backup is restored: what was bought since is found on the chain, and never paid again"
