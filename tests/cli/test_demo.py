"""`tollbook demo`: the whole path on a machine that has nothing."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tollbook.cli.demo import NEWEST
from warehouse.query import query


def test_the_demo_tells_the_whole_story_and_then_again_as_a_document(bare: Command, tmp_path: Path) -> None:
    """Twice in one home: the second removes the first one's files. I5: wallet, chain and ledger agree to the unit."""
    home = str(tmp_path / "home")
    said = bare("demo", TOLLBOOK_HOME=home)
    assert said.code == 0, said.err
    story = [
        "The bill, before anything is signed",
        "Buying",
        "What came",
        "What it cost, by flow",
        "equal",
        "0 paid calls, $0.00",
        "Your files",
        "Three queries",
    ]
    places = [said.out.index(words) for words in story]
    assert places == sorted(places)
    assert max(len(line) for line in said.out.splitlines() if home not in line) <= 80
    assert "3 of 3 calls" in said.err, "progress goes to stderr"

    document = bare("demo", "--json", TOLLBOOK_HOME=home).document
    assert document["books_agree"] is True
    assert document["first"]["calls_paid"] == document["transfers"] == document["purchases"] > 0
    assert (document["again"]["calls_paid"], document["again"]["amount"]) == (0, "0")
    assert document["again"]["calls_avoided"] >= document["first"]["calls_paid"]
    assert document["ledger_atomic"] == document["chain_atomic"] == round(float(document["first"]["amount"]) * 10**6)
    assert len(document["queries"]) == 3
    for statement in (*document["queries"], *(select for _, select in NEWEST)):
        assert query(Path(home), statement)[1], statement


def test_files_that_are_not_a_demos_are_left_alone(bare: Command, tmp_path: Path) -> None:
    ledger = tmp_path / "state" / "ledger.db"
    ledger.parent.mkdir()
    ledger.write_text("real books")
    said = bare("demo", TOLLBOOK_HOME=str(tmp_path))
    assert said.code == 2
    assert "not a demo's" in said.err
    assert ledger.read_text() == "real books"
