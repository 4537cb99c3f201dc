"""Tests of the comparison of a ledger with its events."""
