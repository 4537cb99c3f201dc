"""Transfers out of a wallet by the day they were made, for the caps, and how far the chain was read for them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create both tables, empty: the first run that pays reads the chain from the beginning of the month."""
    op.create_table(
        "paid_on_chain",
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("tx_hash", sa.Text(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("wallet", sa.Text(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("pay_to", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("asset", "tx_hash", "log_index"),
    )
    op.create_index("paid_on_chain_at", "paid_on_chain", ["wallet", "asset", "at"])
    op.create_table(
        "spend_scans",
        sa.Column("wallet", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("first_block", sa.BigInteger(), nullable=False),
        sa.Column("through_block", sa.BigInteger(), nullable=False),
        sa.Column("scanned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("wallet", "asset"),
    )
