"""The ledger's database, SQLite or PostgreSQL.

In reading order:

- `schema`       the tables
- `recognize`    tell a ledger from another program's database, before anything is written
- `engine`       connect with the durability the ledger needs; read and write connections
- `statements`   compiled statements on the driver's own cursor, for what runs at every paid call
- `queries`      those statements
- `thread`       the thread in which coroutines have the ledger called
- `locks`        advisory locks that put writers in order on PostgreSQL
- `rows`         values as JSON documents, bodies as zstd
- `migrate`      upgrade a ledger's schema, with Alembic's scripts in `migrations`
- `copy_folder`  a temporary folder for a copy of a ledger
"""
