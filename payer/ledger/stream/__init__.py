"""The ledger's calls as they change, for those who watch it from another process."""
