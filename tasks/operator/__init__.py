"""Decisions that an operator makes at the prompt and the ledger keeps: freezes and base prices."""
