"""A ledger with money in it is upgraded: by one process, by two at once, and never down again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.ledger.backup import _advance_sequences
from payer.ledger.database import connect, schema
from payer.values.errors import LedgerTooNew
from payer.values.events import Answered, DeliveryFailed, Sent, Settled, Undelivered
from tests import blank_ledger
from tests.payer import purchases as p
from tests.payer.ledger.older_schema import to_schema_7
from tests.stores import new_ledger_url

LATER = "9999"
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
from payer.ledger.database import connect
connect._MIGRATIONS, connect.SCHEMA_VERSION = Path(sys.argv[2]), sys.argv[3]
with Ledger.open(sys.argv[1]) as ledger:
    print(sorted(one.purchase_id for one in ledger.purchases()))
"""


@pytest.fixture(autouse=True)
def _migrated() -> Iterator[None]:
    """Nothing is repeated where the migrations are the subject."""
    with blank_ledger.migrated():
        yield


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a tollbook that has one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(connect._MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
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


def tables(url: str) -> dict[str, list[object]]:
    """Columns, keys, constraints and indexes of every table, and the version."""
    opened = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with opened.connect() as connection:
        look = sa.inspect(connection)
        parts = (look.get_columns, look.get_unique_constraints, look.get_check_constraints)
        found: dict[str, list[object]] = {
            name: [look.get_pk_constraint(name), *(sorted(map(repr, part(name))) for part in parts)]
            for name in look.get_table_names()
        }
        made = {
            "sqlite": "SELECT name, sql FROM sqlite_master",
            "postgresql": "SELECT indexname, indexdef FROM pg_indexes",
        }
        found["made by"] = sorted(map(repr, connection.execute(sa.text(made[opened.dialect.name]))))
        found["version"] = list(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars())
    opened.dispose()
    return found


def test_a_new_ledger_that_tests_begin_with_is_what_the_migrations_make(
    request: pytest.FixtureRequest, ledger_url: str, tmp_path: Path
) -> None:
    store = "sqlite" if ledger_url.startswith("sqlite") else "postgresql"
    heard, repeated = (new_ledger_url(request, store, tmp_path) for _ in range(2))
    Ledger.open(ledger_url).close()
    with blank_ledger.repeated():
        for url in (heard, repeated):
            Ledger.open(url).close()
    assert tables(repeated) == tables(heard) == tables(ledger_url)
    assert tables(repeated)["version"] == [connect.SCHEMA_VERSION]


def test_a_populated_ledger_is_raised_and_keeps_every_row(
    ledger_url: str, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = populate(ledger_url)
    before = contents(ledger_url)
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(connect, "_MIGRATIONS", later)
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


def test_a_ledger_from_before_failed_deliveries_is_raised_and_holds_its_caps(
    ledger_url: str, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0001 to today: what it bought has no verdict on its bodies, and is no loss."""
    for newer in (later / "versions").glob("*.py"):
        if not newer.name.startswith("0001"):
            newer.unlink()
    with monkeypatch.context() as yesterday:
        yesterday.setattr(connect, "_MIGRATIONS", later)
        engine = connect.engine_for(ledger_url)
        connect.upgrade(engine)
        engine.dispose()
    with Ledger.open(ledger_url) as ledger:
        [first, second] = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE)
        kept = ledger.append(first, p.signed(first), p.delivered(), body=Body(b"{}", "application/json"))
        assert ledger.failed_deliveries() == []
        failed = ledger.append(kept, DeliveryFailed(at=p.NOW, reason="not JSON"))
        assert ledger.failed_deliveries() == [failed]
        assert ledger.get(second.purchase_id) == second


def test_a_ledger_of_the_first_schema_keeps_every_row(ledger_url: str) -> None:
    engine = connect.engine_for(ledger_url)
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        config = connect.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        first = set(sa.inspect(connection).get_table_names())
        connection.execute(sa.insert(schema.payees).values(seller="s", asset="a", pay_to=p.PAYEE, first_seen=p.NOW))
    engine.dispose()
    with Ledger.open(ledger_url) as ledger, ledger._engine.connect() as connection:
        assert first < set(sa.inspect(connection).get_table_names())
        assert connection.execute(sa.select(schema.payees.c.pay_to)).scalars().all() == [p.PAYEE]
        assert ledger.freezes() == []
    populate(ledger_url)


def test_two_processes_that_raise_it_at_once_take_turns(ledger_url: str, later: Path) -> None:
    ids = populate(ledger_url)
    command = [sys.executable, "-c", _OPEN, ledger_url, str(later), LATER]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(*child.communicate(timeout=60), child.returncode) for child in children]
    assert ended == [(f"{ids}\n", "", 0)] * 2


def test_spent_money_counts_at_the_largest_value_signed_once_the_ledger_is_raised(
    ledger_url: str,
) -> None:
    """An earlier tollbook counted what a chain server said was taken; projection and buckets follow together (I3)."""
    with Ledger.open(ledger_url) as ledger:
        [held, other] = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE)
        dearer = p.signed(held, p.PRICE + 4_000)
        ledger.append(held, p.signed(held), Sent(at=p.NOW), dearer, Settled(at=p.NOW, settlement=p.settlement()))
        with ledger._engine.execution_options(write=True).begin() as connection:
            to_schema_7(connection)
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
            for later in ("log_ranges", "writers", "freezes", "paid_on_chain", "spend_scans", "publications", "paces"):
                connection.execute(sa.text(f"DROP TABLE {later}"))
            connection.execute(sa.delete(schema.committed).where(schema.committed.c.scope.like("seller%")))
            row = {"id": held.purchase_id, "held": str(p.PRICE)}
            connection.execute(sa.text("UPDATE purchases SET committed = :held WHERE purchase_id = :id"), row)
            connection.execute(sa.update(schema.committed).values({"atoms": 2 * p.PRICE}))
    with Ledger.open(ledger_url) as raised:
        assert set(raised.committed(p.USDC).values()) == {2 * p.PRICE + 4_000}
        assert sum(one.committed for one in raised.purchases()) == 2 * p.PRICE + 4_000
        with raised._engine.connect() as connection:
            columns = connection.execute(sa.select(schema.purchases.c.purchase_id, schema.purchases.c.committed)).all()
        assert dict(map(tuple, columns)) == {held.purchase_id: p.PRICE + 4_000, other.purchase_id: p.PRICE}
        assert raised.log_range("a.example", p.NOW) is None


def test_what_was_in_doubt_or_lost_still_counts_against_its_seller_once_the_ledger_is_raised(
    ledger_url: str, tmp_path: Path
) -> None:
    """I12: the flag that is searched for comes from the state that was there, and a payment on its way has none. The
    bodies of a ledger with purchases keep their keys, and take new ones."""
    names = ("reserved", "on its way", "exposed", "settled", "delivered", "lost")
    with Ledger.open(f"sqlite:///{tmp_path}/before.db") as ledger:
        bought = dict(
            zip(names, ledger.reserve(p.run(), [p.wanted(n) for n in range(6)], p.CAPS, p.LEASE), strict=True)
        )
        for name in names[1:]:
            bought[name] = ledger.append(bought[name], p.signed(bought[name]), Sent(at=p.NOW))
        refused = Answered(at=p.NOW, status=503, elapsed_ms=9)
        unheard = Answered(at=p.NOW, status=None, elapsed_ms=0, note="no answer came in time")
        bought["exposed"] = ledger.append(bought["exposed"], refused)
        for name in ("settled", "lost"):
            bought[name] = ledger.append(bought[name], unheard, Settled(at=p.NOW, settlement=p.settlement()))
        events = replace(refused, status=200), p.delivered()
        bought["delivered"] = ledger.append(bought["delivered"], *events, body=Body(b"{}", "application/json"))
        bought["lost"] = ledger.append(bought["lost"], Undelivered(at=p.NOW, reason="asked for a week"))
        _copy_to_schema_7(ledger, ledger_url)
    of = {name: purchase.purchase_id for name, purchase in bought.items()}
    with Ledger.open(ledger_url) as raised:
        assert raised.verify_projection() == []
        assert sa.inspect(raised._engine).get_pk_constraint("bodies")["constrained_columns"] == ["purchase_id"]
        with raised._engine.connect() as connection:
            flagged = connection.execute(sa.select(schema.purchases.c.purchase_id).where(schema.purchases.c.in_doubt))
            assert set(flagged.scalars()) == {of["exposed"], of["settled"]}
        assert [one.purchase_id for one in raised.undelivered()] == [of["lost"]]
        assert {one.purchase_id for one in raised.open_purchases()} == set(of.values()) - {of["lost"]}
        assert {change.purchase.purchase_id for change in raised.changes.newest(9)} == set(of.values())
        raised.append(bought["exposed"], p.delivered(body=b"[]"), body=Body(b"[]", "application/json"))
        assert [delivery.body for delivery in raised.deliveries()] == [b"{}", b"[]"]
        late = raised.delivery(of["exposed"])
        assert late is not None
        assert late.body == b"[]"
        assert raised.delivery(of["lost"]) is None


def _copy_to_schema_7(ledger: Ledger, url: str) -> None:
    """Write a ledger's rows as an earlier tollbook kept them."""
    engine = connect.engine_for(url)
    with engine.connect().execution_options(write=True) as old, old.begin():
        config = connect.configuration()
        config.attributes["connection"] = old
        command.upgrade(config, "0007")
        with ledger._engine.connect() as connection:
            for table in schema.metadata.sorted_tables:
                known = [column for column in table.c if column is not schema.purchases.c.in_doubt]
                for row in connection.execute(sa.select(*known)).mappings():
                    old.execute(sa.insert(table), dict(row))
        if old.dialect.name == "postgresql":
            _advance_sequences(old)
    engine.dispose()


def test_a_new_ledgers_bodies_have_their_number_as_their_only_key(ledger: Ledger) -> None:
    look = sa.inspect(ledger._engine)
    assert look.get_pk_constraint("bodies")["constrained_columns"] == ["seq"]
    assert look.get_unique_constraints("bodies") == []
