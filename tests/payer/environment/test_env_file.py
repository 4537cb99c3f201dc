"""The environment file beside the policy: read strictly, below the real environment, and never quoted (I10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from payer.environment.env_file import EnvFile, env_file_beside, laid_over, parse_env_file
from payer.values.errors import Misconfigured

KEY = "0x" + "4c" * 32


def parsed(text: str) -> EnvFile:
    return parse_env_file(Path("/srv/tollbook/.env"), text.encode())


def fault(text: str) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        parsed(text)
    assert caught.value.fix
    return caught.value


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / ".env"
    path.write_text(text)
    path.chmod(mode)
    return folder / "policy.toml"


@pytest.mark.parametrize(
    "line",
    [
        "TOLLBOOK_LEDGER_URL=postgresql://db/a",
        "export TOLLBOOK_LEDGER_URL=postgresql://db/a",
        "TOLLBOOK_LEDGER_URL = 'postgresql://db/a'",
        'TOLLBOOK_LEDGER_URL="postgresql://db/a"  # shared',
        "\ufeffTOLLBOOK_LEDGER_URL=postgresql://db/a\r",
    ],
)
def test_each_way_to_write_a_variable_is_read(line: str) -> None:
    assert parsed(f"# first\n{line}\n" if line[0] != "\ufeff" else line).ours == {
        "TOLLBOOK_LEDGER_URL": "postgresql://db/a"
    }


def test_a_dollar_sign_in_a_password_stands_for_itself() -> None:
    assert parsed("TOLLBOOK_LEDGER_URL=postgresql://u:$ecret@db/a").ours["TOLLBOOK_LEDGER_URL"].endswith("$ecret@db/a")


def test_relative_paths_count_from_the_files_folder() -> None:
    found = parsed("TOLLBOOK_HOME=.\nTOLLBOOK_KEYSTORE=keys/wallet.json\nTOLLBOOK_SIGNER_ADDRESS=keys\n").ours
    assert found["TOLLBOOK_HOME"] == "/srv/tollbook"
    assert found["TOLLBOOK_KEYSTORE"] == "/srv/tollbook/keys/wallet.json"
    assert found["TOLLBOOK_SIGNER_ADDRESS"] == "keys"


def test_variables_of_other_programs_are_left_alone() -> None:
    assert parsed("PREFECT_API_URL=http://127.0.0.1:4200/api\nDEBUG\nTOLLBOOK_HOME=/a\n").ours == {
        "TOLLBOOK_HOME": "/a"
    }


def test_variables_of_object_storage_are_taken_too() -> None:
    found = parsed("AWS_ACCESS_KEY_ID=a\nGOOGLE_APPLICATION_CREDENTIALS=/b\nAZURE_STORAGE_ACCOUNT_NAME=c\n").ours
    assert set(found) == {"AWS_ACCESS_KEY_ID", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_ACCOUNT_NAME"}


def test_the_real_environment_wins() -> None:
    merged = laid_over(
        parsed("TOLLBOOK_HOME=/a\nTOLLBOOK_CLOCK_OFFSET=1\nOTHER=1\n"), {"TOLLBOOK_HOME": "/b", "PATH": "/bin"}
    )
    assert merged == {"TOLLBOOK_HOME": "/b", "TOLLBOOK_CLOCK_OFFSET": "1", "PATH": "/bin"}


def test_without_a_file_the_environment_is_all() -> None:
    assert laid_over(None, {"TOLLBOOK_HOME": "/b"}) == {"TOLLBOOK_HOME": "/b"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("# a\n\nTOLLBOOK HOME=/a\n", "line 3 can't be read"),
        ("\r\nTOLLBOOK_HOME='/a\r\n", "line 2 can't be read"),
        ("TOLLBOOK_PRIVATE_KEY\n", "line 1: TOLLBOOK_PRIVATE_KEY has no value"),
        ("TOLLBOOK_HOME=/a\n\nTOLLBOOK_HOME=/b\n", "TOLLBOOK_HOME twice, on lines 1 and 3"),
        ("X" * 70_000, "longer than"),
    ],
)
def test_a_line_that_cant_be_read_is_named_by_its_number(text: str, place: str) -> None:
    assert place in fault(text).what


def test_a_broken_line_is_not_quoted() -> None:
    error = fault(f"TOLLBOOK_PRIVATE_KEY='{KEY}\n")
    assert KEY not in f"{error} {error.fix}"
    assert KEY not in repr(parsed(f"TOLLBOOK_PRIVATE_KEY={KEY}"))


def test_a_file_of_another_charset_is_refused() -> None:
    with pytest.raises(Misconfigured, match="not UTF-8"):
        parse_env_file(Path("/a/.env"), "TOLLBOOK_HOME=/srv/bücher".encode("latin-1"))


def test_no_file_and_a_folder_of_that_name_are_no_environment_file(tmp_path: Path) -> None:
    assert env_file_beside(tmp_path / "policy.toml") is None
    (tmp_path / ".env").mkdir()
    assert env_file_beside(tmp_path / "policy.toml") is None


@pytest.mark.parametrize(
    "line",
    [
        f"TOLLBOOK_PRIVATE_KEY={KEY}",
        "TOLLBOOK_SIGNER_URL=https://user:word@signer.example",
        "TOLLBOOK_LEDGER_URL=postgresql+psycopg://user:word@db/tollbook",
        "TOLLBOOK_NOTIFY_URL=slack://a/b/c",
        "AWS_SECRET_ACCESS_KEY=word",
        "AZURE_STORAGE_ACCOUNT_KEY=word",
    ],
)
def test_a_secret_that_others_may_read_is_refused_until_the_file_is_closed(line: str, tmp_path: Path) -> None:
    policy = written(tmp_path, line, mode=0o644)
    with pytest.raises(Misconfigured, match="other users may read") as caught:
        env_file_beside(policy)
    assert f"chmod 600 {tmp_path / '.env'}" in caught.value.fix
    (tmp_path / ".env").chmod(0o600)
    assert env_file_beside(policy) is not None


def test_a_file_without_a_secret_may_be_read_by_all(tmp_path: Path) -> None:
    assert env_file_beside(written(tmp_path, "TOLLBOOK_HOME=.\nTOLLBOOK_SIGNER_URL=https://signer.example", 0o644))
