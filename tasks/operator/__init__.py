"""Decisions that an operator makes at the prompt and the ledger keeps: freezes."""
