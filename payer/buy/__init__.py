"""Buy one piece at most once: quote, approve, sign, send, record.

quote            current terms per endpoint
approve          reserve a bill inside every cap, all or none
buy, decide      the loop, and its pure decision
send             sign, send, claim, fetch free orders
changed_terms    follow a 402 to a payment whose terms moved
respond, record  an answer as events; written to the ledger or the spool
judge_body       a body that can't be used is a loss
lease, look      leases between processes; purchases on the chain
"""
