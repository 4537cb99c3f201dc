"""Keep the block ranges that chain servers allow, and count spent money at the largest value signed for it.

Before, a purchase counted as what the chain had taken, on the word of one server.
"""

import json
from collections import Counter
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create log_ranges, and count again what spent purchases hold of each cap."""
    op.create_table(
        "log_ranges",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("blocks", sa.Integer(), nullable=False),
        sa.Column("learned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("server"),
    )
    connection = op.get_bind()
    more: Counter[tuple[str, str, str]] = Counter()
    rows = connection.execute(sa.text("SELECT purchase_id, asset, doc FROM purchases WHERE money = 'spent'")).all()
    for purchase_id, asset, doc in rows:
        state = json.loads(bytes(doc))
        settlement = state.get("settlement")
        was_final = settlement is not None and settlement["final"]
        added = state.get("reserved", 0) - state.get("spent", 0)
        if not was_final or added <= 0:
            continue
        connection.execute(
            sa.text("UPDATE purchases SET committed = :held WHERE purchase_id = :id"),
            {"held": str(state["reserved"]), "id": purchase_id},
        )
        run = state["run"]
        day = datetime.fromisoformat(run["started_at"]).astimezone(UTC).strftime("%Y-%m-%d")
        buckets = (("run", run["run_id"]), ("flow_day", f"{run['flow']}/{day}"), ("day", day), ("month", day[:7]))
        more.update({(asset, scope, bucket): added for scope, bucket in buckets})
    counted = sa.table("committed", *(sa.column(name) for name in ("asset", "scope", "bucket", "atoms")))
    for (asset, scope, bucket), added in more.items():
        same = (counted.c.asset == asset) & (counted.c.scope == scope) & (counted.c.bucket == bucket)
        held = int(connection.execute(sa.select(counted.c.atoms).where(same)).scalar() or 0)
        connection.execute(sa.update(counted).where(same).values({"atoms": str(held + added)}))
