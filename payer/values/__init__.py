"""The payer's values: plain, frozen, without I/O of their own save for the clock and `durable`.

From an amount to the fold of a purchase: money, request, terms, chain_view, purchase, events.
"""
