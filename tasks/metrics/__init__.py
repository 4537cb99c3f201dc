"""Metrics of one ledger and its published file, for a monitoring system."""
