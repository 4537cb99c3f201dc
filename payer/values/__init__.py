"""The payer's values: plain, frozen, without I/O of their own save for the clock and `durable`.

money, request, terms, chain_view, purchase, events    from an amount to the fold of a purchase
identifiers, addresses, secret, owners, attempts       keys and nonces, addresses, secrets, process names, limits
errors                                                 what can go wrong, and what to do then
ledger_reads                                           the ledger as other packages read it
clock, crashpoints, durable                            time, points to crash at, fsync
"""
