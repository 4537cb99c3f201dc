"""Alembic's environment: it runs on the connection it is handed."""

from alembic import context

from payer.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
