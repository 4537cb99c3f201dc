"""The write-ahead ledger: an append-only event per step, a projection per purchase, caps counted in the same commit.

In reading order:

- `ledger`      `Ledger`: everything that can be asked of it or written to it
- `reserve`     book intents, all or none, inside every cap
- `append`      fold events onto purchases, one durable commit each
- `caps`        what counts against which cap, and the check
- `loss_limit`  what a seller kept without delivering, and the check
- `read`        one purchase, the open ones, all of them
- `deliveries`  the bodies that arrived, in the order of their commits
- `costs`       runs, what each purchase cost, and calls that were avoided
- `quotes`      accepted terms by endpoint, and pinned payees
- `scans`       transfers read from the chain
- `owners`      names of the processes that lease purchases
- `backup`      copy a ledger to a file, and restore it
- `audit`       fold the events again and compare; which processes did not close the ledger
- `database`    the engine, tables, statements and migrations under all of these
"""

from payer.ledger.append import Conflict
from payer.ledger.ledger import Ledger

__all__ = ["Conflict", "Ledger"]
