"""The write-ahead books: an append-only event per step, a projection per purchase, caps counted in the same commit."""

from tollbook.payer.ledger.appends import Conflict
from tollbook.payer.ledger.store import Ledger

__all__ = ["Conflict", "Ledger"]
