"""The first schema."""

from alembic import op

from tollbook.payer.ledger.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table as it stands."""
    metadata.create_all(op.get_bind())
