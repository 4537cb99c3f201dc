"""The ledger's database, SQLite or PostgreSQL.

In reading order: schema, recognize, engine, statements, queries, thread, rows, connect.
"""
