"""Fewer pages per paid call: one index of what counts against a loss limit, and none of what the tables' keys tell."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_IN_DOUBT = "is_open AND money IN ('exposed', 'spent') AND data = 'absent' AND NOT undelivered"


def upgrade() -> None:
    """Add the column and change the indexes of purchases; give bodies their number as their key in a new ledger."""
    op.add_column("purchases", sa.Column("in_doubt", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(f"UPDATE purchases SET in_doubt = true WHERE {_IN_DOUBT}")
    for replaced in ("seq", "open", "losses", "failed", "doubtful"):
        op.drop_index(f"purchases_{replaced}", "purchases")
    is_open = sa.text("is_open" if _on_postgresql() else "is_open = 1")
    op.create_index("purchases_open", "purchases", ["flow"], sqlite_where=is_open, postgresql_where=is_open)
    counted = " OR ".join(
        column if _on_postgresql() else f"{column} = 1" for column in ("in_doubt", "undelivered", "failed")
    )
    op.create_index(
        "purchases_against_limit",
        "purchases",
        ["seller", "asset"],
        sqlite_where=sa.text(counted),
        postgresql_where=sa.text(counted),
    )
    if not op.get_bind().execute(sa.text("SELECT 1 FROM events LIMIT 1")).scalar():
        _make_keyed_tables()


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _make_keyed_tables() -> None:
    """Make the tables of a ledger without events as they are written fastest. Those with rows are as good to read."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.drop_table("bodies")
    op.create_table(
        "bodies",
        sa.Column("seq", number, autoincrement=False, nullable=False),
        sa.Column("purchase_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("zstd", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("purchase_id"),
    )
    if _on_postgresql():
        return
    op.drop_table("events")
    op.create_table(
        "events",
        sa.Column("seq", number, nullable=False),
        sa.Column("purchase_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("purchase_id", "version", name="one_event_per_version"),
    )
