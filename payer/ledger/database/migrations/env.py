"""Alembic's environment: run migrations on the connection that the configuration carries."""

from alembic import context

from payer.ledger.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
