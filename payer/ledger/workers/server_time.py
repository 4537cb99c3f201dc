"""The clock of the PostgreSQL server, the one that workers of several machines have in common."""

SERVER_TIME = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""Microseconds since the epoch, as the ledger stores times; read when the row is written, not when a lock was asked."""
