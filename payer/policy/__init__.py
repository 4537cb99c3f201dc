"""Reviewed limits on what may be paid for, read from policy.toml and applied to a seller's terms.

In reading order: rules, file, toml_table, judge, price_drift, clock_skew.
"""
