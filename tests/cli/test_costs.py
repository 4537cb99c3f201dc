"""`tollbook costs`: what was spent, on what, saved by the cache."""

from __future__ import annotations

import csv
import io
import shutil
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from payer.ledger import Ledger
from payer.values.events import Answered
from tests.cli.conftest import Command
from tollbook.cli.main import run

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


@pytest.fixture(scope="module")
def bought(session_world: World) -> Buyer:
    """A buyer whose home has one flow that was bought, and asked for again."""
    buyer = session_world.buyer("costs")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in buyer.env.items():
            patch.setenv(name, value)
        for _ in range(2):
            assert run(["run", "grades", "--json"]) == 0
    return buyer


@pytest.fixture
def spent(
    bought: Buyer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command over a copy of that home."""
    home = tmp_path / "home"
    shutil.copytree(bought.home, home)
    return Command({**bought.env, "TOLLBOOK_HOME": str(home)}, monkeypatch, capsys)


@pytest.mark.parametrize("by", ["flow", "dataset", "day", "month", "purchase"])
def test_every_view_adds_up_to_what_was_spent(spent: Command, by: str) -> None:
    rows = spent("costs", "--by", by, "--json").document
    assert sum(row["amount_atomic"] for row in rows) == 51_000


def test_the_saved_calls_stand_beside_the_paid_ones(spent: Command) -> None:
    [row] = spent("costs", "--json").document
    assert (row["flow"], row["calls_paid"], row["amount"], row["calls_avoided"], row["saved"]) == (
        "grades",
        3,
        "0.051",
        3,
        "0.051",
    )


def test_csv_json_and_table_say_the_same(spent: Command) -> None:
    [from_json] = spent("costs", "--format", "json").document
    [from_csv] = csv.DictReader(io.StringIO(spent("costs", "--format", "csv").out))
    assert from_csv["amount"] == from_json["amount"]
    assert "0.051" in spent("costs").out


def test_accounting_lists_every_purchase_with_its_transaction_and_apart_the_months_total(spent: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(spent("costs", "--format", "accounting").out)))
    assert len(rows) == 3
    assert all(row["transaction"].startswith("0x") for row in rows)
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal("0.051")
    [total] = csv.DictReader(io.StringIO(spent("costs", "--format", "accounting-totals").out))
    assert (total["asset"], total["purchases"], Decimal(total["amount"]), Decimal(total["pending"])) == (
        "USDC",
        "3",
        Decimal("0.051"),
        0,
    )


def test_nothing_bought_is_said_in_words(tollbook: Command) -> None:
    assert tollbook("costs").out == "nothing was bought yet\n"
    assert tollbook("costs", "--json").document == []


def books(said: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(said)))


def test_the_books_name_wallet_payee_nonce_transaction_and_block_time(spent: Command, bought: Buyer) -> None:
    for row in books(spent("costs", "--format", "accounting").out):
        assert row["wallet"].lower() == bought.address.lower()
        assert all(row[name].startswith("0x") for name in ("payee", "nonce", "transaction"))
        assert datetime.fromisoformat(row["block_time_utc"]).strftime("%Y-%m-%d %H:%M:%S") == (
            f"{row['date']} {row['time_utc']}"
        )
        assert (Decimal(row["loss"]), Decimal(row["fee"])) == (0, 0)


def test_a_month_or_a_range_has_its_own_lines_and_balances(spent: Command) -> None:
    [month] = {row["date"][:7] for row in books(spent("costs", "--format", "accounting").out)}
    assert len(books(spent("costs", "--format", "accounting", "--month", month).out)) == 3
    assert len(books(spent("costs", "--format", "accounting", "--from", f"{month}-01").out)) == 3
    assert books(spent("costs", "--format", "accounting", "--month", "2001-01").out) == []
    [total] = books(spent("costs", "--format", "accounting-totals", "--month", month).out)
    balances = [Decimal(total[name]) for name in ("opening_balance", "amount", "closing_balance")]
    assert balances == [0, Decimal("0.051"), Decimal("0.051")]
    [after] = books(spent("costs", "--format", "accounting-totals", "--month", "9999-01").out)
    assert (after["purchases"], after["opening_balance"], after["closing_balance"]) == ("0", "0.051000", "0.051000")
    assert spent("costs", "--by", "day", "--to", "2001-01-01").out == "nothing was bought then\n"
    [row] = spent("costs", "--month", month, "--json").document
    assert (row["flow"], row["amount"], row["saved"]) == ("grades", "0.051", "0.051")


def test_a_terminal_shows_dates_and_totals_in_the_order_of_time(spent: Command) -> None:
    lines = [line.split() for line in spent("costs", "--by", "purchase").out.splitlines() if line.strip()]
    assert lines[0][:3] == ["costs", "by", "purchase,"]
    times = [f"{line[0]} {line[1]}" for line in lines if line[0].startswith("20")]
    assert len(times) == 3
    assert times == sorted(times)
    assert lines[-1][0] == "total"
    assert "0.051" in lines[-1]


@pytest.mark.parametrize(
    "flags",
    [
        "--month 2026-11 --from 2026-11-01",
        "--month 2026-11 --to 2026-11-30",
        "--json --format csv",
        "--json --format accounting",
        "--format accounting --by day",
        "--format accounting-totals --by month",
        "--month 2026-13",
        "--month 2026",
        "--from yesterday",
        "--from 2026-11-02 --to 2026-11-01",
    ],
)
def test_flags_that_do_not_go_together_or_say_nothing_are_refused(
    flags: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = Command({"TOLLBOOK_HOME": str(tmp_path)}, monkeypatch, capsys)("costs", *flags.split())
    assert said.code == 2
    assert "What to do:" in said.err or "advice" in said.out


def test_costs_reads_what_is_published_and_says_what_is_not(spent: Command) -> None:
    """It doesn't publish: an operator's look costs no time, and no run waits for it."""
    home = Path(spent.env["TOLLBOOK_HOME"])
    published = home / "published" / "warehouse.duckdb"
    before = published.stat().st_ino
    with Ledger.open(f"sqlite:///{home}/state/ledger.db") as ledger:
        held = ledger.purchases()[0]
        ledger.append(held, Answered(at=held.created_at, status=200, elapsed_ms=1))
    said = spent("costs", "--json")
    assert (said.code, [row["amount"] for row in said.document]) == (0, ["0.051"])
    assert "the ledger has newer events" in said.err
    assert published.stat().st_ino == before


def test_a_file_that_another_release_published_is_named_with_what_to_do(spent: Command) -> None:
    """As in the first minutes after an upgrade. No SQL is shown."""
    public = Path(spent.env["TOLLBOOK_HOME"]) / "published" / "warehouse.duckdb"
    with duckdb.connect(str(public)) as con:
        con.execute("UPDATE publication SET layout = 1; DROP VIEW costs")
    refused = spent("costs", "--json")
    assert (refused.code, refused.document["error"]["kind"]) == (6, "CacheTrouble")
    assert refused.document["error"]["what"] == f"{public} was published by another release of tollbook"
    assert "tollbook publish" in refused.document["error"]["advice"]
    assert spent("publish").code == 0
    assert spent("costs").code == 0
