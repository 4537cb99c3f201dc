"""Buy one piece at most once: quote, approve, sign, send, record.

In reading order: quote, approve, buy (the loop) and decide (its pure decision), send, changed_terms, record;
lease and look beside them.
"""
