"""Settle what is open: recover purchases, scan the wallet's transfers, reconcile ledger and chain.

recover     claim, void or leave in doubt every open purchase
scan        read the wallet's transfers from the chain, resumable and checked against its balance
reconcile   compare ledger and chain to the atomic unit
"""
