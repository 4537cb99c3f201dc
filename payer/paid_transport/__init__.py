"""Buy over HTTPX: an httpx transport with the ledger, the policy and the promise of the payer.

In reading order: order, purchase, transport.
"""
