"""Sellers declared in TOML files, over the same model as those that ship.

Reading order: read (a file to a Seller) · table (one TOML table, read strictly, and the error with its line and fix)
· rules (what a dataset must agree with) · write (a Seller to a file).
"""
