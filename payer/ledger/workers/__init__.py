"""Agreement among the workers of one PostgreSQL ledger on what is no money: who publishes, and each seller's pace."""
