"""Failed deliveries: found by seller, so that they count as losses before each signature."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column and its index. No purchase of an older ledger has a verdict on its body."""
    op.add_column("purchases", sa.Column("failed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("purchases_failed", "purchases", ["failed", "seller"])
