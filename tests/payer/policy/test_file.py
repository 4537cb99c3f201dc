"""policy.toml: what is written is enforced, and every mistake names its key and its fix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payer.policy import file as policy_file
from payer.policy.file import load_policy, parse_policy
from payer.policy.rules import Caps, SellerCaps, SellerPolicy
from payer.values.errors import Misconfigured
from tests.paths import DOCS
from tests.payer.offers import FIRST_USE_TOML, PAYEE, POLICY_TOML, USDC, policy


def fault(text: str, tmp_path: Path) -> Misconfigured:
    """The error of loading a file with this text."""
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        load_policy(path)
    assert str(path) in caught.value.what
    assert caught.value.exit_code == 2
    return caught.value


def with_line(table: str, line: str) -> str:
    """The good policy with one line set in one table."""
    key = line.split("=")[0].strip()
    head, rest = POLICY_TOML.split(f"[{table}]\n", 1)
    body, mark, tail = rest.partition("\n[")
    kept = [old for old in body.splitlines() if old.split("=")[0].strip() != key]
    return f"{head}[{table}]\n" + "\n".join([*kept, line]) + "\n" + mark + tail


def without(key: str) -> str:
    return re.sub(rf"(?m)^{key} = .*\n", "", POLICY_TOML, count=1)


def test_the_example_of_the_design_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY_TOML)
    rules = load_policy(path)
    assert (rules.chain_id, rules.v1_name, rules.network, rules.finality) == (8453, "base", "eip155:8453", "safe")
    assert rules.caps["USDC"] == Caps(100_000, 1_000_000, 2_000_000, 5_000_000, 50_000_000, price_drift=250_000)
    assert rules.sellers["tokenmetrics"] == SellerPolicy(
        name="tokenmetrics",
        base_url="https://api.tokenmetrics.com/v2",
        pay_with="USDC",
        pay_to=(PAYEE,),
        tokens=(3375, 3306),
        loss_limit=300_000,
        per_day=5_000_000,
        per_month=50_000_000,
    )
    assert rules.asset_for("tokenmetrics") == rules.assets["USDC"]


def test_what_is_left_out_has_the_documented_default() -> None:
    rules = policy()
    assert (rules.validity_seconds, rules.clock_skew_seconds, rules.max_timeout_seconds) == (120, 600, 31_536_000)
    assert (rules.quote_max_age, rules.lookback_blocks, rules.max_head_age) == (86_400, 400_000, 0)
    assert (rules.max_head_ahead, rules.rpc_batch) == (15, 100)
    assert policy(POLICY_TOML.replace("8453", "31337")).max_head_ahead == 0


def test_first_use_pins_nobody_yet() -> None:
    assert policy(FIRST_USE_TOML).sellers["tokenmetrics"].pay_to == ()


def test_addresses_are_kept_in_their_checksummed_spelling() -> None:
    rules = policy(POLICY_TOML.replace(USDC, USDC.lower()).replace(PAYEE, PAYEE.lower()))
    assert rules.assets["USDC"].address == USDC
    assert rules.sellers["tokenmetrics"].pay_to == (PAYEE,)


MISSING = ["chain_id", "v1_name", "rpc_url", "finality", "address", "eip712_name", "eip712_version", "decimals"]
MISSING += ["per_call", "per_run", "per_flow_day", "per_day", "per_month", "base_url", "pay_with", "pay_to"]


@pytest.mark.parametrize("key", MISSING)
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    error = fault(without(key), tmp_path)
    assert f".{key} is missing" in error.what
    assert error.fix.startswith(f"add {key} to [")


@pytest.mark.parametrize("table", ["network", "assets", "caps", "sellers"])
def test_a_missing_table_is_named(table: str, tmp_path: Path) -> None:
    text = "\n[".join(part for part in ("\n" + POLICY_TOML).split("\n[") if not part.startswith(table))
    error = fault(text, tmp_path)
    assert f"{table} is missing" in error.what


UNKNOWN = [
    ("network", "chainid = 1", "network.chainid", "chain_id"),
    ("caps.USDC", 'per_cal = "1"', "caps.USDC.per_cal", "per_call"),
    ("sellers.tokenmetrics", 'payto = "x"', "sellers.tokenmetrics.payto", "pay_to"),
    ("assets.USDC", "decimal = 6", "assets.USDC.decimal", "decimals"),
]


@pytest.mark.parametrize(("table", "line", "name", "meant"), UNKNOWN)
def test_an_unknown_key_is_refused_with_the_key_that_was_meant(
    table: str, line: str, name: str, meant: str, tmp_path: Path
) -> None:
    error = fault(with_line(table, line), tmp_path)
    assert f"{name} is not a key" in error.what
    assert error.fix == f"did you mean {meant}?"


def test_an_unknown_table_is_refused_too(tmp_path: Path) -> None:
    assert "limits is not a key" in fault(POLICY_TOML + "\n[limits]\nx = 1\n", tmp_path).what


BAD: list[tuple[str, str, Any]] = [
    ("network", 'chain_id = "8453"', "whole number"),
    ("network", "chain_id = 8453.0", "whole number"),
    ("network", "chain_id = true", "whole number"),
    ("network", "chain_id = 0", "allowed is 1 to"),
    ("network", "chain_id = -8453", "allowed is 1 to"),
    ("network", 'v1_name = "Base Mainnet"', '"base"'),
    ("network", "v1_name = 8453", '"base"'),
    ("network", 'finality = "pending"', '"latest", "safe", "finalized"'),
    ("network", "finality = 12", '"safe"'),
    ("network", 'rpc_url = "http://mainnet.base.org"', "https"),
    ("network", 'rpc_url = "wss://mainnet.base.org"', "https"),
    ("network", 'rpc_url = "mainnet.base.org"', "https"),
    ("network", "lookback_blocks = 0", "allowed is 1 to"),
    ("network", "rpc_batch = 0", "allowed is 1 to"),
    ("assets.USDC", 'address = "0x833589"', "40 hexadecimal"),
    ("assets.USDC", f'address = "{USDC.replace("fCD6", "FCD6")}"', "checksum"),
    ("assets.USDC", "address = 7", "40 hexadecimal"),
    ("assets.USDC", 'eip712_name = "USDC"', 'eip712_name = "USD Coin"'),
    ("assets.USDC", 'eip712_version = "1"', 'eip712_version = "2"'),
    ("assets.USDC", "eip712_version = 2", 'text such as "2"'),
    ("assets.USDC", "decimals = 18", "decimals = 6"),
    ("assets.USDC", "decimals = -1", "allowed is 0 to"),
    ("assets.USDC", 'decimals = "6"', "whole number"),
    ("assets.USDC", 'also_named = "usdc"', "list of texts"),
    ("caps.USDC", "per_call = 0.10", "string"),
    ("caps.USDC", "per_call = 1", "string"),
    ("caps.USDC", 'per_call = "-1"', "plain digits"),
    ("caps.USDC", 'per_call = "1e3"', "plain digits"),
    ("caps.USDC", 'per_call = "1,000"', "plain digits"),
    ("caps.USDC", 'per_call = "$1"', "plain digits"),
    ("caps.USDC", 'per_call = "٠.١"', "plain digits"),
    ("caps.USDC", 'per_call = "0.0000001"', "6 decimals"),
    ("caps.USDC", 'per_month = "inf"', "plain digits"),
    ("caps.USDC", "price_drift = 0.25", "string"),
    ("sellers.tokenmetrics", 'base_url = "http://api.tokenmetrics.com/v2"', "https"),
    ("sellers.tokenmetrics", 'base_url = "https://user:pass@api.tokenmetrics.com/v2"', "without user"),
    ("sellers.tokenmetrics", 'base_url = "https://api.tokenmetrics.com/v2?key=1"', "query"),
    ("sellers.tokenmetrics", 'base_url = "https://api.tokenmetrics.com/v2#x"', "fragment"),
    ("sellers.tokenmetrics", 'base_url = "https://api.tokenmetrics.com:99999/v2"', "https"),
    ("sellers.tokenmetrics", 'base_url = "https://"', "https"),
    ("sellers.tokenmetrics", 'base_url = "https://аpi.tokenmetrics.com"', "https"),
    ("sellers.tokenmetrics", 'base_url = "file:///etc/passwd"', "https"),
    ("sellers.tokenmetrics", 'pay_with = "TMAI"', '"USDC"'),
    ("sellers.tokenmetrics", 'pay_to = "anyone"', "first-use"),
    ("sellers.tokenmetrics", "pay_to = []", "first-use"),
    ("sellers.tokenmetrics", f'pay_to = "{PAYEE}"', "first-use"),
    ("sellers.tokenmetrics", 'pay_to = ["0x12"]', "40 hexadecimal"),
    ("sellers.tokenmetrics", f'pay_to = ["{"0x" + "0" * 40}"]', "destroyed"),
    ("sellers.tokenmetrics", "tokens = 3375", "[3375, 3306]"),
    ("sellers.tokenmetrics", 'tokens = ["BTC"]', "[3375, 3306]"),
    ("sellers.tokenmetrics", "tokens = [-1]", "[3375, 3306]"),
    ("sellers.tokenmetrics", "parallel = 0", "allowed is 1 to"),
    ("sellers.tokenmetrics", "timeout_seconds = 0", "allowed is 1 to"),
    ("sellers.tokenmetrics", "loss_limit = 1", "string"),
]


@pytest.mark.parametrize(("table", "line", "fix"), BAD, ids=[f"{table} {line}" for table, line, _ in BAD])
def test_a_bad_value_is_refused_naming_the_key_and_the_fix(table: str, line: str, fix: str, tmp_path: Path) -> None:
    error = fault(with_line(table, line), tmp_path)
    assert f"{table}.{line.split('=')[0].strip()} " in error.what
    assert fix in error.fix


@pytest.mark.parametrize("line", ['pay_to = ["0x{}"]', 'pay_to = "0x{}"', 'pay_to = "{}"', 'base_url = "{}"'])
def test_a_key_that_was_pasted_into_the_policy_is_refused_and_not_quoted(line: str, tmp_path: Path) -> None:
    """I10."""
    error = fault(with_line("sellers.tokenmetrics", line.format("4c" * 32)), tmp_path)
    assert "a private key or a recovery phrase" in error.what
    assert "4c4c" not in f"{error} {error.fix}"


@pytest.mark.parametrize(
    "line", ['count_chain_spend = "year"', "validity_seconds = 301", "validity_seconds = 9", 'quote_max_age = "1h"']
)
def test_the_longest_validity_has_a_bound_of_its_own(line: str, tmp_path: Path) -> None:
    """I6: no policy can ask for authorizations that outlive any sensible expiry."""
    error = fault(POLICY_TOML + f"\n[payment]\n{line}\n", tmp_path)
    assert f"payment.{line.split(' ')[0]}" in error.what


def test_caps_without_an_asset_are_refused(tmp_path: Path) -> None:
    text = POLICY_TOML.replace("[caps.USDC]", "[caps.USDT]")
    assert "caps.USDT has no asset" in fault(text, tmp_path).what


def test_an_asset_without_caps_is_never_paid_with(tmp_path: Path) -> None:
    other = f'[assets.X]\naddress = "{PAYEE}"\neip712_name = "X"\neip712_version = "1"\ndecimals = 18\n\n[caps.USDC]'
    text = POLICY_TOML.replace("[caps.USDC]", other)
    assert policy(text).assets["X"].decimals == 18
    error = fault(text.replace('pay_with = "USDC"', 'pay_with = "X"'), tmp_path)
    assert "which has no caps" in error.what


def test_one_token_is_not_two_assets(tmp_path: Path) -> None:
    twin = f'[assets.COIN]\naddress = "{USDC.lower()}"\neip712_name = "USD Coin"\neip712_version = "2"\ndecimals = 6\n'
    assert "also that of USDC" in fault(POLICY_TOML.replace("[caps.USDC]", twin + "\n[caps.USDC]"), tmp_path).what


def test_text_that_is_not_toml_is_named_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in fault("[network]\nchain_id = \n", tmp_path).what
    assert "is not TOML" in fault(POLICY_TOML + '\n[network]\nx = "1"\n', tmp_path).what


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"there is no policy file .*policy\.toml") as caught:
        load_policy(tmp_path / "policy.toml")
    assert "TOLLBOOK_POLICY" in caught.value.fix


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match="UTF-8"):
        load_policy(path)


@pytest.mark.parametrize("url", ["https://user:s3cret@rpc.example/x", "http://rpc.example/s3cret", "s3cret"])
def test_an_rpc_address_is_never_quoted(url: str, tmp_path: Path) -> None:
    """I10: a provider's address holds its key."""
    error = fault(with_line("network", f'rpc_url = "{url}"'), tmp_path)
    assert "s3cret" not in error.what + error.fix
    good = policy(with_line("network", 'rpc_url = "https://rpc.example/v2/s3cret?k=s3cret"'))
    assert "s3cret" not in repr(good)


@pytest.mark.parametrize("host", ["127.0.0.1:8545", "localhost:8545", "[::1]:8545", "127.9.9.9"])
def test_plain_http_to_this_machine_is_allowed(host: str) -> None:
    assert policy(with_line("network", f'rpc_url = "http://{host}"')).servers == (f"http://{host}",)


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0", "[::2]"])
def test_plain_http_to_a_host_that_looks_like_this_machine_is_refused(host: str, tmp_path: Path) -> None:
    assert "network.rpc_url" in fault(with_line("network", f'rpc_url = "http://{host}"'), tmp_path).what


VALUES = st.sampled_from(
    ["1", '"1"', '""', "true", "-1", "0.5", "[]", "[1]", '["x"]', "{}", "1979-05-27", '"\\u0000"', "nan"]
)


@settings(max_examples=300, deadline=None)
@given(
    line=st.sampled_from([number for number, line in enumerate(POLICY_TOML.splitlines()) if "=" in line]), value=VALUES
)
def test_any_value_anywhere_is_read_or_refused_with_its_key(line: int, value: str) -> None:
    lines = POLICY_TOML.splitlines()
    key = lines[line].split(" = ")[0]
    lines[line] = f"{key} = {value}"
    try:
        parse_policy("\n".join(lines))
    except Misconfigured as error:
        _names(error, key)


def _names(error: Misconfigured, key: str) -> None:
    assert key in error.what
    assert error.fix
    assert error.what.isprintable()


DOCUMENT = (DOCS / "policy.md").read_text()
DOCUMENTED = DOCUMENT.split("```toml\n")[1].split("```")[0]


def test_the_documented_policy_is_a_policy_and_shows_the_defaults() -> None:
    """Each value in the document is what the key has when it is left out, save a declaration's path."""
    lines = (
        re.sub(r"(?m)^declaration = .*\n", "", DOCUMENTED)
        .replace("tokens = []", "tokens = [3375, 3306]")
        .replace('"first-use"', f'["{PAYEE}"]')
    )
    assert parse_policy(lines) == policy()


def test_every_key_is_documented_and_no_other() -> None:
    written = {match[1] for match in re.finditer(r"(?m)^(\w+) = ", DOCUMENTED)}
    known = {*policy_file.NETWORK_KEYS, *policy_file.PAYMENT_KEYS, *policy_file.ASSET_KEYS}
    assert written == known | {*policy_file.CAP_KEYS, *policy_file.SELLER_KEYS}


@pytest.mark.parametrize(
    ("line", "limit"),
    [("", 300_000), ('loss_limit = "0"', 0), ('loss_limit = "0.02"', 20_000)],
    ids=["left-out", "0", "set"],
)
def test_a_loss_limit_of_0_is_a_limit_and_leaving_it_out_is_three_calls(line: str, limit: int) -> None:
    """I12."""
    policy = parse_policy(POLICY_TOML + f"\n{line}\n")
    assert policy.sellers["tokenmetrics"].loss_limit == limit


SELLER_LIMITS: dict[str, tuple[str, tuple[int | None, int | None, int]]] = {
    "none": ("", (None, None, 250_000)),
    "caps": ('per_day = "1.5"\nper_month = "0"', (1_500_000, 0, 250_000)),
    "drift": ('price_drift = "0.05"', (None, None, 50_000)),
    "drift-of-the-dataset": (
        'price_drift = "0.05"\n[sellers.tokenmetrics.datasets.tm-grade]\nprice_drift = "0"', (None, None, 0),
    ),
    "drift-of-another": (
        'price_drift = "0.05"\n[sellers.tokenmetrics.datasets.other]\nprice_drift = "0"', (None, None, 50_000),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), SELLER_LIMITS.values(), ids=SELLER_LIMITS)
def test_a_seller_has_caps_and_a_drift_of_its_own(lines: str, expected: tuple[int | None, int | None, int]) -> None:
    rules = policy(with_line("sellers.tokenmetrics", lines) if lines else POLICY_TOML)
    caps = rules.caps["USDC"].sellers.get("tokenmetrics", SellerCaps())
    assert (caps.per_day, caps.per_month, rules.drift_for("tokenmetrics", "tm-grade").millionths) == expected


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("per_day = 1", "sellers.tokenmetrics.per_day is 1"),
        ('price_drift = "-1"', "sellers.tokenmetrics.price_drift is"),
        ("datasets = 3", "sellers.tokenmetrics.datasets names nothing"),
        ('[sellers.tokenmetrics.datasets.a]\ndrift = "1"', "sellers.tokenmetrics.datasets.a.drift is not a key"),
    ],
)
def test_a_wrong_limit_of_a_seller_is_named(lines: str, says: str, tmp_path: Path) -> None:
    assert says in fault(with_line("sellers.tokenmetrics", lines), tmp_path).what


@pytest.mark.parametrize(
    ("chain_id", "address", "fix"),
    [
        (84532, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "0x036CbD53842c5426634e7929541eC2318f3dCF7e"),
        (8453, "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
    ],
)
@pytest.mark.parametrize("name", ["USD Coin", "USDC"])
def test_the_usdc_of_one_chain_under_the_id_of_the_other_is_an_error_offline(
    chain_id: int, address: str, fix: str, name: str
) -> None:
    text = POLICY_TOML.replace("8453", str(chain_id)).replace(USDC, address).replace("USD Coin", name)
    with pytest.raises(Misconfigured) as caught:
        parse_policy(text)
    other = 8453 if chain_id == 84532 else 84532
    assert caught.value.what.startswith(f"assets.USDC.address is this token's on chain {other}")
    assert f"network.chain_id is {chain_id}" in caught.value.what
    assert fix in caught.value.fix
