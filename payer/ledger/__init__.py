"""The write-ahead books: an append-only event per step, a projection per purchase, caps counted in the same commit."""

from payer.ledger.appends import Conflict
from payer.ledger.store import Ledger

__all__ = ["Conflict", "Ledger"]
