"""Settle what is open: recover purchases, scan the wallet's transfers, reconcile ledger and chain."""
