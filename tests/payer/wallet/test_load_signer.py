"""The signer is loaded from the environment: one source, and a remote signer asks for its secret by its address."""

from __future__ import annotations

import pytest

from payer.values.errors import Misconfigured
from payer.wallet.eip3009 import Wallet
from payer.wallet.load import load_signer, names_wallet
from tests.payer.wallet.signer_stub import SignerStub, running

KEY = b"\x11" * 32
ADDRESS = Wallet(KEY).address


def never(address: str) -> bytes:
    raise AssertionError(f"no file is needed for {address}")


def test_a_local_key_derives_its_own_secret() -> None:
    signer = load_signer({"TOLLBOOK_PRIVATE_KEY": KEY.hex()}, never)
    assert (signer.address, signer.nonce_secret) == (ADDRESS, Wallet(KEY).nonce_secret)


def test_a_remote_signer_takes_the_secret_of_its_address() -> None:
    with running(SignerStub(KEY)) as stub:
        signer = load_signer({"TOLLBOOK_SIGNER_URL": stub.url}, {ADDRESS: b"s" * 32}.__getitem__)
    assert (signer.address, signer.nonce_secret, signer.repeats) == (ADDRESS, b"s" * 32, False)


def test_a_named_address_spares_the_question() -> None:
    environ = {"TOLLBOOK_SIGNER_URL": "http://127.0.0.1:1", "TOLLBOOK_SIGNER_ADDRESS": ADDRESS}
    assert load_signer(environ, lambda _: b"s" * 32).address == ADDRESS


@pytest.mark.parametrize("other", ["TOLLBOOK_PRIVATE_KEY", "TOLLBOOK_KEYSTORE"])
def test_two_sources_are_refused(other: str) -> None:
    with pytest.raises(Misconfigured, match=f"{other} and TOLLBOOK_SIGNER_URL are both set"):
        load_signer({other: "x", "TOLLBOOK_SIGNER_URL": "https://signer.example"}, never)


@pytest.mark.parametrize("name", ["TOLLBOOK_PRIVATE_KEY", "TOLLBOOK_KEYSTORE", "TOLLBOOK_SIGNER_URL"])
def test_each_source_names_a_wallet(name: str) -> None:
    assert names_wallet({name: "x"})
    assert not names_wallet({name: ""})
