"""A ledger with money in it is upgraded: by one process, by two at once, and never down again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.ledger.database import connect, migrate, schema
from payer.values.errors import LedgerTooNew
from tests.payer import purchases as p

LATER = f"{int(connect.SCHEMA_VERSION) + 1:04}"
_LATER = f'''
"""A later tollbook's: one more column, filled from what is there."""

import sqlalchemy as sa
from alembic import op

revision = "{LATER}"
down_revision = "{connect.SCHEMA_VERSION}"


def upgrade() -> None:
    op.add_column("purchases", sa.Column("label", sa.Text(), nullable=True))
    op.execute("UPDATE purchases SET label = dataset || '/' || purchase_id")
'''

_OPEN = """
import sys
from pathlib import Path
from payer.ledger import Ledger
from payer.ledger.database import connect, migrate
migrate._MIGRATIONS, connect.SCHEMA_VERSION = Path(sys.argv[2]), sys.argv[3]
with Ledger.open(sys.argv[1]) as ledger:
    print(sorted(one.purchase_id for one in ledger.purchases()))
"""


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a tollbook that has one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate._MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{LATER}_later.py").write_text(_LATER)
    return folder


def populate(url: str) -> list[str]:
    """Purchases in several states, a body, caps; their ids."""
    with Ledger.open(url) as ledger:
        bought = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2), p.wanted(3)], p.CAPS, p.LEASE)
        ledger.append(bought[0], p.signed(bought[0]), p.delivered(), body=Body(b"{}", "application/json"))
        ledger.append(bought[1], p.signed(bought[1]))
        return sorted(one.purchase_id for one in bought)


def contents(url: str) -> dict[str, list[object]]:
    """Every row of every table of the first schema."""
    opened = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with opened.connect() as connection:
        found = {
            table.name: sorted(map(repr, connection.execute(sa.select(table))))
            for table in schema.metadata.sorted_tables
        }
    opened.dispose()
    return dict(found)


def test_a_populated_ledger_is_raised_and_keeps_every_row(
    ledger_url: str, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = populate(ledger_url)
    before = contents(ledger_url)
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(migrate, "_MIGRATIONS", later)
        tomorrow.setattr(connect, "SCHEMA_VERSION", LATER)
        with Ledger.open(ledger_url) as ledger:
            assert sorted(one.purchase_id for one in ledger.purchases()) == ids
            assert [delivery.body for delivery in ledger.deliveries()] == [b"{}"]
            with ledger._engine.connect() as connection:
                labels = connection.execute(sa.text("SELECT label FROM purchases")).scalars()
                assert sorted(labels) == [f"tm-grade/{one}" for one in ids]
    assert contents(ledger_url) == before
    with pytest.raises(LedgerTooNew, match=f"schema {LATER}; this tollbook knows {connect.SCHEMA_VERSION}"):
        Ledger.open(ledger_url)


def test_two_processes_that_raise_it_at_once_take_turns(ledger_url: str, later: Path) -> None:
    ids = populate(ledger_url)
    command = [sys.executable, "-c", _OPEN, ledger_url, str(later), LATER]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(*child.communicate(timeout=60), child.returncode) for child in children]
    assert ended == [(f"{ids}\n", "", 0)] * 2
