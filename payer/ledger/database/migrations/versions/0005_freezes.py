"""Freezes: the sellers that nothing new is signed for, until an operator lifts it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0001"


def upgrade() -> None:
    """Add the table of freezes."""
    op.create_table(
        "freezes",
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("frozen_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seller"),
    )
