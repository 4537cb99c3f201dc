"""The processes that write a ledger, so that one that ended without closing it is noticed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table of writers."""
    op.create_table(
        "writers",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
