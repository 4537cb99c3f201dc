"""I10 through the command: what it says, keeps, exports and publishes holds no key, no signature, no payment header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from payer.buy import send
from payer.ledger import Ledger
from payer.values.purchase import Purchase
from payer.values.terms import SignedPayment
from payer.wallet.eip3009 import Wallet
from payer.wallet.sign import Signer
from tests.cli.conftest import Command
from tests.payer import secrets

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

SAID = (
    *(("run", "grades"), ("run", "moonshots", "--json"), ("recover",)),
    *(("costs", "--by", "purchase", "--format", form) for form in ("table", "json", "csv")),
    *(("report",), ("report", "--json"), ("doctor",), ("reconcile", "--json")),
)


@pytest.fixture
def payments(monkeypatch: pytest.MonkeyPatch) -> list[SignedPayment]:
    """Everything that was signed."""
    made: list[SignedPayment] = []
    present = send.present

    async def kept(signer: Signer, purchase: Purchase) -> SignedPayment:
        made.append(await present(signer, purchase))
        return made[-1]

    monkeypatch.setattr(send, "present", kept)
    return made


def test_nothing_that_the_command_says_or_leaves_behind_holds_a_secret(
    tollbook: Command, world: World, buyer: Buyer, payments: list[SignedPayment], tmp_path: Path
) -> None:
    """A good run, one whose answers are lost, one that is refused; then every way to look at them."""
    said: dict[str, bytes] = {}
    for number, words in enumerate((*SAID, ("backup", str(tmp_path / "backup.db")))):
        if words == ("run", "moonshots", "--json"):
            world.faults.add("reset_after", times=2)
        done = tollbook(*words)
        said[f"{number} {' '.join(words)}"] = f"{done.out}\n{done.err}".encode()
        world.faults.clear()
    world.faults.add("swap_pay_to", times=None)
    refused = tollbook("run", "signals")
    assert refused.code == 3
    said["a refusal"] = f"{refused.out}\n{refused.err}".encode()
    key = bytes.fromhex(buyer.private_key.removeprefix("0x"))
    needles = secrets.of_wallet(key, Wallet(key)) | secrets.of_payments(payments)
    assert len(payments) > 3
    places = [*said.items(), *files(buyer.home), *files(tmp_path), *tables(buyer.home)]
    with Ledger.open(f"sqlite:///{buyer.home}/state/ledger.db") as ledger:
        places += [("the ledger", text) for text in secrets.ledger_bytes(ledger, buyer.home / "state")]
    assert {".db", ".duckdb", ".parquet"} <= {Path(place).suffix for place, _ in places}
    leaks = [(place, secrets.found_in(text, needles)) for place, text in places]
    assert [leak for leak in leaks if leak[1]] == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """Else its silence would prove nothing: each form, in each kind of place."""
    key = bytes.fromhex("ab" * 31 + "0c")
    needles = secrets.of_wallet(key, Wallet(key))
    published = tmp_path / "published"
    published.mkdir()
    with duckdb.connect(published / "warehouse.duckdb") as con:
        con.execute(
            "CREATE TABLE leak AS SELECT unnest($forms) AS form",
            {"forms": [key.hex().upper(), str(int.from_bytes(key))]},
        )
    found = {name for _, text in tables(tmp_path) for name in secrets.found_in(text, needles)}
    assert found == {"the key in hex", "the key as a number"}


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below, as it lies on disk."""
    return ((str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def tables(home: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every published table and snapshot, unpacked: compression would hide it."""
    with duckdb.connect(home / "published" / "warehouse.duckdb", read_only=True) as con:
        for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            yield f"{name}.duckdb", repr(con.execute(f'SELECT * FROM "{name}"').fetchall()).encode()
    with duckdb.connect() as con:
        for path in (home / "published").rglob("*.parquet"):
            yield f"{path}.parquet", repr(con.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()).encode()
