"""Alembic's scripts for the ledger: `env` runs them, `versions` holds one file per schema."""
