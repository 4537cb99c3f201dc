"""The data that the sandbox sells: seeded, plausible, and the same at every request.

Reading order: market (endpoints, changes, pages) · listings (what a request selects) · token_rows · research ·
market_wide · tokens (catalogue, figures, and their noise).
"""
