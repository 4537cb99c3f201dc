"""From a delivered body to typed rows.

Reading order: rows (an Arrow table, quarantine, schema drift) · envelope (what wraps the rows) · casts (typed columns).
"""
