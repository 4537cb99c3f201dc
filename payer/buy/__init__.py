"""Buy one piece at most once: quote, reserve, sign, send, record.

quote            current terms per endpoint; reserve an approved bill inside every cap
buy, decide      the loop, and its pure decision
send             sign, send, claim, fetch free orders
changed_terms    follow a 402 to a payment whose terms moved
respond, record  an answer as events; written to the ledger or the spool
lease, look      leases between processes; purchases on the chain
"""
