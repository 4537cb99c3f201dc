"""The files that follow from what a folder has and what was chosen: what differs, what stays, what is never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from payer.environment.env_file import parse_env_file
from payer.values.errors import Misconfigured
from payer.values.terms import SecretStr
from tasks.setup.look_up import only_ids
from tasks.setup.policy_text import BASE, BASE_SEPOLIA, Listed
from tasks.setup.setup import FileChange, Folder, Setup, WalletChoice, WalletKind, check_choice, shown_line
from tests.paths import ROOT

KEY = SecretStr("4c" * 32)


def choice(kind: WalletKind = WalletKind.NEW, **more: Any) -> WalletChoice:
    return WalletChoice(kind, Path("/keys/wallet.json"), Path("/keys/password"), **more)


def chosen(folder: Path, **more: Any) -> Setup:
    given: dict[str, Any] = {"network": BASE_SEPOLIA, "wallet": choice(), "caps": {}, "tokens": (Listed(3375, "BTC"),)}
    return Setup(home=folder, **{**given, **more})


def current(folder: Path, environ: dict[str, str] | None = None) -> Folder:
    return Folder.read(folder / "policy.toml", ROOT / "policy.toml", environ or {})


def apply(folder: Path, setup: Setup) -> None:
    for change in (setup.policy(current(folder)), setup.environment(current(folder))):
        change.write()


def variables(folder: Path) -> dict[str, str]:
    return dict(parse_env_file(folder / ".env", (folder / ".env").read_bytes()).variables)


def test_an_empty_folder_gets_both_files_and_a_second_time_nothing_differs(tmp_path: Path) -> None:
    apply(tmp_path, chosen(tmp_path))
    assert variables(tmp_path) == {
        "TOLLBOOK_HOME": str(tmp_path),
        "TOLLBOOK_KEYSTORE": "/keys/wallet.json",
        "TOLLBOOK_KEYSTORE_PASSWORD_FILE": "/keys/password",
    }
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "policy.toml").stat().st_mode & 0o777 == 0o644
    found = current(tmp_path)
    again = chosen(tmp_path, wallet=choice(WalletKind.KEEP), network=None, tokens=None)
    assert not again.policy(found).differs
    assert not again.environment(found).differs
    assert not chosen(tmp_path).policy(found).differs
    assert not chosen(tmp_path).environment(found).differs


def test_the_new_environment_file_explains_itself_and_names_what_can_be_filled_in(tmp_path: Path) -> None:
    text = chosen(tmp_path).environment(current(tmp_path)).after
    assert "# TOLLBOOK_LEDGER_URL=\n" in text
    assert "# TOLLBOOK_NOTIFY_URL=\n" in text
    assert "TOLLBOOK_SIGNER_URL" not in text


def test_another_wallet_takes_the_place_of_the_first_and_other_lines_stay(tmp_path: Path) -> None:
    apply(tmp_path, chosen(tmp_path))
    with (tmp_path / ".env").open("a") as file:
        file.write("# ours\nPREFECT_API_URL=http://127.0.0.1:4200/api\n")
    apply(tmp_path, chosen(tmp_path, wallet=choice(WalletKind.SIGNER, signer_url=SecretStr("https://signer.example"))))
    assert variables(tmp_path) == {
        "TOLLBOOK_HOME": str(tmp_path),
        "TOLLBOOK_SIGNER_URL": "https://signer.example",
        "PREFECT_API_URL": "http://127.0.0.1:4200/api",
    }
    assert "# ours\n" in (tmp_path / ".env").read_text()


def test_from_sepolia_to_base_only_the_networks_lines_change(tmp_path: Path) -> None:
    apply(tmp_path, chosen(tmp_path))
    change = chosen(tmp_path, network=BASE, tokens=None).policy(current(tmp_path))
    removed = [line for line in change.lines() if line.startswith("-") and not line.startswith("---")]
    assert [line[1:].split()[0] for line in removed] == ["chain_id", "v1_name", "rpc_url", "address", "eip712_name"]


def test_a_sandboxs_policy_is_left_by_starting_from_the_shipped_one(tmp_path: Path) -> None:
    shipped = (ROOT / "policy.toml").read_text()
    (tmp_path / "policy.toml").write_text(
        shipped.replace("8453", "31337").replace("https://api.tokenmetrics.com/v2", "http://127.0.0.1:1/v2")
    )
    found = current(tmp_path)
    assert found.is_sandbox
    assert "https://api.tokenmetrics.com/v2" in chosen(tmp_path, network=BASE).policy(found).after


def test_the_shipped_policy_as_it_was_copied_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text((ROOT / "policy.toml").read_text())
    found = current(tmp_path)
    assert (found.is_new, found.tokens, found.network) == (True, [], None)


def test_the_shipped_policy_itself_is_never_edited() -> None:
    with pytest.raises(Misconfigured, match="ships with tollbook") as caught:
        Folder.read(ROOT / "policy.toml", ROOT / "policy.toml", {})
    assert "--folder" in caught.value.fix


def test_a_policy_that_cant_be_read_is_refused_before_anything(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[network]\nchain = 1\n")
    with pytest.raises(Misconfigured, match=r"network\.chain"):
        current(tmp_path)


def test_a_bad_cap_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"caps\.USDC\.per_day"):
        chosen(tmp_path, caps={"per_day": "0.0000001"}).policy(current(tmp_path))


def test_a_difference_shows_no_secret(tmp_path: Path) -> None:
    """I10: keys, URLs with passwords, and the path and query of a chain server's address."""
    (tmp_path / ".env").write_text(f"TOLLBOOK_PRIVATE_KEY={KEY.upper()}\nTOLLBOOK_LEDGER_URL=postgresql://u:pw@h/d\n")
    (tmp_path / ".env").chmod(0o600)
    wallet = choice(WalletKind.IMPORT, key=KEY)
    setup = chosen(tmp_path, wallet=wallet, ledger_url=SecretStr("postgresql://u:other@h/d"))
    said = "\n".join(setup.environment(current(tmp_path)).lines()) + repr(setup) + repr(current(tmp_path))
    for secret in (KEY, KEY.upper(), "pw@", "other@"):
        assert str.__str__(secret) not in said
    assert "-TOLLBOOK_PRIVATE_KEY=…" in said
    assert shown_line('+rpc_url = "https://u:p@rpc.example/v2/SECRET?k=1"  # ours') == (
        '+rpc_url = "https://rpc.example/…"  # ours'
    )


def test_the_only_copy_of_a_key_is_never_removed() -> None:
    held = {"TOLLBOOK_PRIVATE_KEY": "0x" + KEY}
    for other in (choice(), choice(WalletKind.SIGNER), choice(WalletKind.IMPORT, key=SecretStr("5d" * 32))):
        with pytest.raises(Misconfigured, match="holds a key") as caught:
            check_choice(other, held)
        assert KEY not in f"{caught.value} {caught.value.fix}"
    check_choice(choice(WalletKind.IMPORT, key=KEY), held)
    check_choice(choice(WalletKind.KEEP), held)


def test_a_signers_url_is_checked() -> None:
    with pytest.raises(Misconfigured, match="not an https address"):
        check_choice(choice(WalletKind.SIGNER, signer_url=SecretStr("http://signer.example")), {})


def test_variables_of_the_environment_that_go_before_the_file_are_named(tmp_path: Path) -> None:
    found = current(tmp_path, {"TOLLBOOK_HOME": "/elsewhere", "TOLLBOOK_PRIVATE_KEY": KEY})
    assert chosen(tmp_path).overridden(found) == ["TOLLBOOK_HOME", "TOLLBOOK_PRIVATE_KEY"]


def test_a_file_is_replaced_whole_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("a")
    path.chmod(0o640)
    FileChange(path, "a", "b").write()
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("b", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="can't be written"):
        FileChange(tmp_path / "file" / "policy.toml", None, "b").write()


@pytest.mark.parametrize(
    ("words", "ids"),
    [(["3375", "3306", "3375"], [3375, 3306]), (["BTC"], None), (["3375", "ETH"], None), (["0"], None), (["３"], None)],
)
def test_ids_need_no_list(words: list[str], ids: list[int] | None) -> None:
    found = only_ids(words)
    assert (found and [token.token_id for token in found]) == ids
