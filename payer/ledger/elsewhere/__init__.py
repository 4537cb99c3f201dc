"""Payments of a wallet that its ledger doesn't count: by another home of the wallet, or before the ledger was lost."""
