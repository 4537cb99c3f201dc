"""Freezes, and what is committed to each seller by day and month."""

import json
from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table of freezes, and count every purchase for its seller's day and month."""
    op.create_table(
        "freezes",
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("frozen_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seller"),
    )
    _count_by_seller()


def _count_by_seller() -> None:
    held: Counter[tuple[str, str, str]] = Counter()
    connection = op.get_bind()
    for asset, committed, doc in connection.execute(sa.text("SELECT asset, committed, doc FROM purchases")):
        purchase = json.loads(bytes(doc))
        seller, day = purchase["order"]["seller"], purchase["run"]["started_at"][:10]
        held[asset, "seller_day", f"{seller}/{day}"] += int(committed)
        held[asset, "seller_month", f"{seller}/{day[:7]}"] += int(committed)
    names = ("asset", "scope", "bucket", "atoms")
    table = sa.table("committed", *(sa.column(name, sa.Text) for name in names))
    found = [dict(zip(names, (*where, str(amount)), strict=True)) for where, amount in held.items()]
    if found:
        op.bulk_insert(table, found)
