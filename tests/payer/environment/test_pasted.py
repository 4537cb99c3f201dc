"""A text pasted in place of a private key is named, and never quoted (I10)."""

from __future__ import annotations

import base64

import pytest
from eth_account import Account

from payer.environment.pasted import is_private_key, looks_secret, not_a_key
from payer.values.errors import Misconfigured
from payer.wallet.load import load_wallet

KEY = "4c0883a69102937d6231471b5dbb6204fe512961708279a4b2f1c3d6e7a89b01"
ADDRESS = Account.from_key(bytes.fromhex(KEY)).address
PHRASE = "test test test test test test test test test test test junk"

PASTED = {
    "a phrase of twelve": (PHRASE, "a recovery phrase of 12 words"),
    "a phrase of twenty-four": (" ".join(["abandon"] * 23 + ["art"]), "a recovery phrase of 24 words"),
    "a phrase with a word missing": (" ".join(PHRASE.split()[1:]), "a recovery phrase of 11 words, or part of one"),
    "a numbered phrase": (" ".join(f"{n}. {word}" for n, word in enumerate(PHRASE.split(), 1)), "a recovery phrase"),
    "a phrase on lines": (PHRASE.replace(" ", "\n"), "a recovery phrase of 12 words"),
    "a phrase with commas": (PHRASE.replace(" ", ", "), "a recovery phrase of 12 words"),
    "a French phrase": ("élève " * 12, "a recovery phrase of 12 words"),
    "an address": (ADDRESS, "an address"),
    "an address in lower case": (ADDRESS.lower(), "an address"),
    "an address without 0x": (ADDRESS[2:], "an address"),
    "a mistyped address": (ADDRESS.swapcase().replace("0X", "0x"), "an address with a mistyped character"),
    "a name": ("someone.base.eth", "a name of an address"),
    "Token Metrics' key": ("tm-1f2e3d4c-5b6a-4978-8a9b-0c1d2e3f4a5b", "an API key"),
    "an exchange's key": ("vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", "an API key"),
    "a UUID": ("1f2e3d4c-5b6a-4978-8a9b-0c1d2e3f4a5b", "an API key"),
    "a key of CDP": ("organizations/1f2e3d4c/apiKeys/5b6a4978", "an API key"),
    "a secret in base64": (base64.b64encode(bytes(range(200, 248))).decode(), "an API key"),
    "one digit missing": (KEY[:-1], "a key of 63 hexadecimal digits, 1 missing"),
    "many digits missing": (KEY[:48], "a key of 48 hexadecimal digits, 16 missing"),
    "digits too many": ("0x" + KEY + "00", "a key of 66 hexadecimal digits, 2 too many"),
    "a letter for a digit": (KEY[:-1] + "O", "a key with one character that is no hexadecimal digit"),
    "0x twice": ("0x0x" + KEY, "a key with 0x twice"),
    "spaces in it": (KEY[:32] + " " + KEY[32:], "a key with spaces or line breaks in it"),
    "quotes": (f'"0x{KEY}"', "a key in quotes"),
    "an invisible space": (KEY + "\u200b", "invisible characters"),
    "shortened": (f"0x{KEY[:6]}…{KEY[-4:]}", "a shortened key"),
    "a placeholder": ("<your private key>", "a placeholder"),
    "another placeholder": ("YOUR_PRIVATE_KEY_HERE", "a placeholder"),
    "a variable that was not filled in": ("${PRIVATE_KEY}", "a placeholder"),
    "a keystore's text": ('{"version": 3, "crypto": {}}', "the text of a keystore"),
    "a keystore's path": ("/srv/keys/wallet.json", "a path of a file"),
    "a signer's address": ("https://signer.example", "an address of the web"),
    "a PEM key": ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----", "a PEM key"),
    "an extended key": ("xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKm", "an extended key"),
    "a public key": ("04" + KEY + KEY, "a public key"),
    "a compressed public key": ("02" + KEY, "a public key"),
    "a Bitcoin key": ("5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ", "a Bitcoin key"),
    "a Solana key": ("[" + ", ".join(["7"] * 64) + "]", "a Solana key"),
    "anything else": ("hunter2", "text that is no private key"),
}


@pytest.mark.parametrize(("text", "what"), PASTED.values(), ids=PASTED)
def test_what_was_pasted_is_named_and_not_quoted(text: str, what: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load_wallet({"TOLLBOOK_PRIVATE_KEY": text})
    assert what in refused.value.what
    assert refused.value.fix
    said = f"{refused.value} {refused.value.fix}"
    inner = text.strip()[4:-4]
    assert text.strip() not in said
    assert len(inner) < 16 or inner not in said
    assert not any(word in said for word in text.split() if len(word) > 12)


@pytest.mark.parametrize("text", [KEY, "0x" + KEY, KEY.upper()])
def test_a_private_key_is_one(text: str) -> None:
    assert is_private_key(text)
    assert looks_secret(text)


@pytest.mark.parametrize("text", [PHRASE, f' "0x{KEY}" ', KEY[:-2], KEY + "0", "-----BEGIN PRIVATE KEY-----"])
def test_most_of_a_key_and_a_phrase_are_never_quoted_either(text: str) -> None:
    assert looks_secret(text)


@pytest.mark.parametrize("text", [ADDRESS, "/srv/tollbook", "postgresql+psycopg://db/tollbook", "", "keys/wallet.json"])
def test_what_is_no_secret_may_be_quoted(text: str) -> None:
    assert not looks_secret(text)


def test_the_advice_of_a_phrase_is_to_remove_it() -> None:
    assert "remove it" in not_a_key(PHRASE)[1]
