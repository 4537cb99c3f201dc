"""The write-ahead ledger: an append-only event per step, a projection per purchase, caps counted in the same commit.

In reading order: ledger (everything that can be asked of it or written to it), reserve, append, caps, refused_sellers,
read, costs, quotes, transfers, workers, owners, backup; audit compares it with its events, database is under all of it.
"""

from payer.ledger.append import Conflict
from payer.ledger.ledger import Ledger

__all__ = ["Conflict", "Ledger"]
