"""Wrong files, names and addresses: each is answered in words, with the exit code of its kind, before any seller is
asked and with nothing written to what is not ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.ledger.backup import backup
from tests.cli.conftest import Command
from tests.payer import purchases as p
from tollbook.templates import template

POLICY = template("policy.toml").read_text()
ONE_SELLER = POLICY[: POLICY.index("[sellers.tokenmetrics]")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a policy, a ledger that holds one purchase, and a backup of it."""
    (tmp_path / "state").mkdir()
    url = f"sqlite:///{tmp_path}/state/ledger.db"
    with Ledger.open(url) as ledger:
        p.bought(ledger)
    backup(url, tmp_path / "backup.db")
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


@pytest.fixture
def tollbook(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command({"TOLLBOOK_HOME": str(home), "TOLLBOOK_POLICY": str(home / "policy.toml")}, monkeypatch, capsys)


def other_program(home: Path) -> None:
    with closing(sqlite3.connect(home / "x.db")) as connection:
        connection.execute("CREATE TABLE songs (title)")


def damaged(home: Path) -> None:
    good = (home / "backup.db").read_bytes()
    (home / "x.db").write_bytes(good[:8192] + b"\xaa" * 8192 + good[16384:])


def rubbish(home: Path) -> None:
    (home / "x.db").write_text("not a database " * 1000)


def folder(home: Path) -> None:
    (home / "x.db").mkdir()


def empty(home: Path) -> None:
    (home / "x.db").touch()


def nothing(_home: Path) -> None:
    """Make no file."""


def policy(change: Callable[[str], str | bytes]) -> Callable[[Path], None]:
    def write(home: Path) -> None:
        changed = change(POLICY)
        (home / "policy.toml").write_bytes(changed if isinstance(changed, bytes) else changed.encode())

    return write


LEDGERS = [
    ("mysql://u:hidden@h/d", nothing, 2, "begins with mysql://"),
    ("http://u:hidden@h/d", nothing, 2, "begins with http://"),
    ("oracle+cx_oracle://u:hidden@h", nothing, 2, "begins with oracle+cx_oracle://"),
    ("file:///x.db", nothing, 2, "begins with file://"),
    ("not a url", nothing, 2, "is not a database URL"),
    ("{home}/x.db", nothing, 2, "is a path, not a URL"),
    ("sqlite:///:memory:", nothing, 2, "in memory"),
    ("sqlite:///{home}/x.db", folder, 2, "is a folder, not a ledger"),
    ("sqlite:///{home}/none/x.db", nothing, 2, "none/x.db does not exist"),
    ("sqlite:///{home}/x.db", other_program, 2, "the database of another program; nothing was written to it"),
    ("sqlite:///{home}/x.db", rubbish, 2, "is damaged, or no database"),
]


@pytest.mark.parametrize(("url", "make", "code", "says"), LEDGERS)
def test_what_is_no_ledger_is_named_and_left_as_it_is(
    tollbook: Command, home: Path, url: str, make: Callable[[Path], None], code: int, says: str
) -> None:
    make(home)
    file = home / "x.db"
    before = file.read_bytes() if file.is_file() else None
    for verb in (["status"], ["watch", "--no-follow"]):
        said = tollbook(*verb, TOLLBOOK_LEDGER_URL=url.format(home=home))
        assert (said.code, says in said.err) == (code, True), said.err
        assert "hidden" not in said.err
    assert (file.read_bytes() if file.is_file() else None) == before


@pytest.mark.parametrize("verb", ["watch --no-follow", "backup {home}/copy.db"])
def test_a_damaged_ledger_is_to_be_restored(tollbook: Command, home: Path, verb: str) -> None:
    damaged(home)
    said = tollbook(*verb.format(home=home).split(), TOLLBOOK_LEDGER_URL=f"sqlite:///{home}/x.db")
    assert said.code == 2
    assert "damaged" in said.err
    assert "tollbook restore" in said.err
    assert not (home / "copy.db").exists()


COPIES = [
    ("backup backup.db", nothing, "is there already"),
    ("backup state", nothing, "is a folder"),
    ("backup backup.db/below.db", nothing, "is a file"),
    ("restore none.db", nothing, "there is no backup at"),
    ("restore x.db", folder, "is a folder, not a backup"),
    ("restore x.db", empty, "is an empty file, not a backup"),
    ("restore x.db", rubbish, "can't be read"),
    ("restore x.db", other_program, "holds no ledger"),
    ("restore x.db", damaged, "is damaged"),
]


@pytest.mark.parametrize(("words", "make", "says"), COPIES)
def test_a_backup_overwrites_nothing_and_a_restore_takes_no_rubbish(
    tollbook: Command, home: Path, words: str, make: Callable[[Path], None], says: str
) -> None:
    make(home)
    verb, name = words.split()
    url = f"sqlite:///{home}/new.db" if verb == "restore" else None
    said = tollbook(verb, str(home / name), **({"TOLLBOOK_LEDGER_URL": url} if url else {}))
    assert (said.code, says in said.err) == (2, True), said.err
    assert "Money: none was sent." in said.err


def test_a_ledger_that_holds_anything_is_not_restored_over(tollbook: Command, home: Path) -> None:
    said = tollbook("restore", str(home / "backup.db"))
    assert (said.code, "already, which a restore would overwrite" in said.err) == (2, True)


POLICIES = [
    (policy(lambda text: text.replace("[sellers.tokenmetrics]", "[sellers.tokenmetric]")), "[sellers.tokenmetrics]?"),
    (policy(lambda text: text.replace("[sellers.tokenmetrics]", "[sellers.TokenMetrics]")), "[sellers.tokenmetrics]?"),
    (policy(lambda text: text.encode("utf-16")), "is not UTF-8 text"),
    (policy(lambda _text: ""), "network is missing"),
    (lambda home: ((home / "policy.toml").unlink(), (home / "policy.toml").mkdir()), "can't be read"),
]


@pytest.mark.parametrize(("make", "says"), POLICIES)
def test_a_policy_that_can_not_be_meant_is_named(
    tollbook: Command, home: Path, make: Callable[[Path], object], says: str
) -> None:
    make(home)
    said = tollbook("plan", "grades")
    assert (said.code, says in said.err) == (2, True), said.err


def test_a_seller_that_only_programs_buy_from_needs_no_declaration(tollbook: Command, home: Path) -> None:
    other = 'base_url = "https://example.com"\npay_with = "USDC"\npay_to = "first-use"\n'
    policy(lambda text: f"{text}\n[sellers.weather]\n{other}")(home)
    assert tollbook("status").code != 2
    said = tollbook("probe", "weather")
    assert (said.code, "only programs with the httpx transport buy from it" in said.err) == (2, True)


def test_two_sellers_at_one_address_are_refused(tollbook: Command, home: Path) -> None:
    base = next(line for line in POLICY.splitlines() if line.startswith("base_url"))
    other = base.replace("https://api", "HTTPS://API").replace(".com/", ".com:443/").removesuffix('"') + '/"'
    policy(lambda text: f'{text}\n[sellers.twin]\n{other}\npay_with = "USDC"\npay_to = "first-use"\n')(home)
    said = tollbook("status")
    assert said.code == 2
    assert "sellers.twin.base_url is also that of" in said.err


def test_a_dataset_whose_seller_the_policy_lacks_names_the_seller(tollbook: Command) -> None:
    for words in ("plan coingecko-price", "plan glassnode-price-close", "probe tavily", "freeze tokenmetrcs"):
        said = tollbook(*words.split())
        assert (said.code, "the policy names no seller" in said.err) == (2, True), said.err
    assert "did you mean tokenmetrics?\n" in said.err
    assert "name its seller, tokenmetrics" in tollbook("probe", "tm-grade").err


@pytest.mark.parametrize(
    "change", [lambda text: b"\xef\xbb\xbf" + text.encode(), lambda text: text.replace("\n", "\r\n")]
)
def test_files_of_windows_are_read(tollbook: Command, home: Path, change: Callable[[str], str | bytes]) -> None:
    policy(change)(home)
    assert tollbook("status").code != 2


def test_a_line_end_of_windows_in_a_variable_is_named_and_the_value_is_not_quoted(tollbook: Command) -> None:
    said = tollbook("status", TOLLBOOK_PRIVATE_KEY="0xsecret\r")
    assert (said.code, "TOLLBOOK_PRIVATE_KEY holds a line end of Windows" in said.err) == (2, True)
    assert "secret" not in said.err
