"""Decisions of an operator that every process on the ledger obeys: freezes."""
