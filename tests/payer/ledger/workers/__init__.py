"""Tests of what the workers of one PostgreSQL ledger share besides money."""
