"""Buy over HTTPX: an httpx transport with the ledger, the policy and the promise of the payer.

order      from an httpx request to an order; refuses what could not be bought exactly once
purchase   buy one order, or find the body that is kept; open what that needs
transport  the transport, sync and async, and its errors
"""
