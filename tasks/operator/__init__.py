"""Decisions of an operator: `freeze`, base `prices`, and a `new_seller`, probed before policy names it."""
