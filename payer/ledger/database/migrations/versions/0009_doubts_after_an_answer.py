"""Fewer pages per paid call: in doubt is what was answered without its data, and a new ledger's bodies have one key."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Take payments on their way out of the index of what counts, and a new ledger's bodies their second key."""
    purchases = sa.table("purchases", sa.column("purchase_id"), sa.column("in_doubt"), sa.column("doc"))
    connection = op.get_bind()
    doubtful = connection.execute(sa.select(purchases.c.purchase_id, purchases.c.doc).where(purchases.c.in_doubt))
    no_doubt = sa.update(purchases).values(in_doubt=sa.false())
    on_their_way = [purchase_id for purchase_id, doc in doubtful.all() if not _is_at_risk(json.loads(bytes(doc)))]
    for purchase_id in on_their_way:
        connection.execute(no_doubt.where(purchases.c.purchase_id == purchase_id))
    if not connection.execute(sa.text("SELECT 1 FROM events LIMIT 1")).scalar():
        _make_bodies_with_one_key()


def _is_at_risk(purchase: dict[str, object]) -> bool:
    answered = purchase.get("last_status") is not None or bool(purchase.get("last_note"))
    return answered and not purchase.get("loss_accepted")


def _make_bodies_with_one_key() -> None:
    """The events tell which number a purchase's body has. Tables with rows keep their second key."""
    op.drop_table("bodies")
    op.create_table(
        "bodies",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("purchase_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("zstd", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
