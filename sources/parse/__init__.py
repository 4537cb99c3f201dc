"""From a delivered body to typed rows.

Reading order: rows (an Arrow table, quarantine, schema drift) · envelope (charset, and what wraps the rows) · json_text
(from text to values) · casts and times (typed columns) · asked (what nobody asked for).
"""

PARSER = 2
"""Raised when bodies are parsed to other rows than before: caches are then rebuilt from the ledger's bodies."""
