"""The proof of many workers: one wallet, one ledger on PostgreSQL, one published set, and random kills."""
