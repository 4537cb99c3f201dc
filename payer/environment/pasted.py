"""Recognize what was pasted in place of a private key, and name it without quoting it (I10)."""

from __future__ import annotations

import re
from collections.abc import Callable

from payer.wire.addresses import checksum

KEY_DIGITS = 64

_HEX = "0123456789abcdefABCDEF"
_BASE58 = r"[1-9A-HJ-NP-Za-km-z]"
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]")
_MNEMONIC_LENGTHS = (12, 15, 18, 21, 24)
_NEW_KEY = "`tollbook init` makes a wallet for tollbook alone, or takes over one exported key"
_COPY_AGAIN = "copy the whole key again from where it is kept: 64 hexadecimal digits, with or without 0x"
_ANYONE = "Whoever has seen it can spend: if it was in a file or a chat, move the money to a new wallet"


def is_private_key(text: str) -> bool:
    """True for 64 hexadecimal digits, with or without 0x: the form of every key, whatever its number."""
    return re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", text, re.ASCII) is not None


def looks_secret(text: str) -> bool:
    """True for what no message may quote: a private key, most of one, or a recovery phrase."""
    bare = _HIDDEN.sub("", text).strip(" \t\r\n\"'")
    digits = bare.removeprefix("0x").removeprefix("0X")
    return (
        (len(digits) >= 48 and _all_hex(digits))
        or (_is_phrase(bare) and len(_words(bare)) >= 11)
        or "PRIVATE KEY" in bare
    )


def not_a_key(text: str) -> tuple[str, str]:
    """Name what a text is that was given as a private key, and say what to do. Neither quotes any of it.

    The name fits behind "holds": "an address".
    """
    bare = text.strip()
    for recognize in _KINDS:
        if found := recognize(bare):
            return found
    return "text that is no private key", f"it must be {KEY_DIGITS} hexadecimal digits, with or without 0x; {_NEW_KEY}"


def _wrapped(text: str) -> tuple[str, str] | None:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'`":
        return "a key in quotes" if is_private_key(text[1:-1]) else "text in quotes", "remove the quotes around it"
    if _HIDDEN.search(text):
        return "invisible characters, as text from a web page or a chat may have", "type it, or paste it as plain text"
    return None


def _placeholder(text: str) -> tuple[str, str] | None:
    bracketed = re.fullmatch(r"[<\[{$].*[a-z_].*[>\]}]", text, re.I)
    words = re.fullmatch(r"(0x)?(your|my|the|a)?[ _-]*(wallet|evm|eth|private)?[ _-]*(private[ _-]*)?key.*", text, re.I)
    if text.lstrip().startswith("{") and "crypto" in text.lower():
        return (
            "the text of a keystore",
            "save it to a file (0600) and set TOLLBOOK_KEYSTORE to that file, with TOLLBOOK_KEYSTORE_PASSWORD_FILE",
        )
    if any(mark in text for mark in ("…", "...", "***", "•")):
        return "a shortened key, as a page shows one", _COPY_AGAIN
    if bracketed or words or text.lower() in ("changeme", "secret", "todo", "xxx", "none", "null"):
        return "a placeholder", f"put the key itself in its place; {_NEW_KEY}"
    return None


def _phrase(text: str) -> tuple[str, str] | None:
    if not _is_phrase(text):
        return None
    count = len(_words(text))
    part = "" if count in _MNEMONIC_LENGTHS else ", or part of one"
    return (
        f"a recovery phrase of {count} words{part}",
        "remove it from there now: it opens every account of its wallet, and tollbook never needs it. Export the "
        f"private key of one account in the wallet's own program, or better: {_NEW_KEY}. {_ANYONE}",
    )


def _address(text: str) -> tuple[str, str] | None:
    digits = text.removeprefix("0x").removeprefix("0X")
    if len(digits) == 40 and _all_hex(digits):
        try:
            checksum("0x" + digits)
            mistyped = ""
        except ValueError:
            mistyped = " with a mistyped character"
        return (
            f"an address{mistyped}",
            "an address says who is paid, and signs nothing: export that account's private key in its wallet's "
            f"program, or set TOLLBOOK_SIGNER_URL to what signs for it. {_NEW_KEY[0].upper()}{_NEW_KEY[1:]}",
        )
    if re.fullmatch(r"[\w-]+(\.[\w-]+)*\.(eth|base|xyz|crypto)", text, re.I):
        return "a name of an address", f"a name signs nothing; {_NEW_KEY}"
    return None


def _other_keys(text: str) -> tuple[str, str] | None:
    """Keys of other kinds, and of other chains."""
    digits = text.removeprefix("0x").removeprefix("0X")
    if text.startswith("-----BEGIN") or "PRIVATE KEY-----" in text:
        return "a PEM key, as servers and exchanges' APIs use", _NEW_KEY
    if re.match(r"(xprv|xpub|ypub|zpub|tprv)[1-9A-Za-z]{20,}", text):
        return (
            "an extended key of a whole wallet",
            f"remove it from there, and export the key of one account; or {_NEW_KEY}",
        )
    if _all_hex(digits) and (
        len(digits) in (128, 130) or (len(digits) == 66 and digits[:2] in ("02", "03") and not text.startswith("0x"))
    ):
        return "a public key or a signature", f"neither signs anything; {_NEW_KEY}"
    if re.fullmatch(rf"[5KL]{_BASE58}{{50,51}}", text):
        return "a Bitcoin key (WIF)", f"USDC on Base is paid by another kind; {_NEW_KEY}"
    if re.fullmatch(rf"{_BASE58}{{86,88}}", text) or re.fullmatch(r"\[(\s*\d{1,3}\s*,){31,63}\s*\d{1,3}\s*\]", text):
        return "a Solana key", f"USDC on Base is paid by another kind; {_NEW_KEY}"
    return None


def _miscopied(text: str) -> tuple[str, str] | None:
    """A key of 64 digits that lost some, got some, or had some changed."""
    digits = text.removeprefix("0x").removeprefix("0X")
    if digits.startswith(("0x", "0X")):
        return "a key with 0x twice", "remove one 0x"
    joined = re.sub(r"\s", "", digits)
    if joined != digits and _all_hex(joined) and 32 <= len(joined) <= 80:
        return "a key with spaces or line breaks in it", _COPY_AGAIN
    if _all_hex(digits) and 32 <= len(digits) <= 80:
        off = len(digits) - KEY_DIGITS
        amount = f"{off} too many" if off > 0 else f"{-off} missing"
        return f"a key of {len(digits)} hexadecimal digits, {amount}", _COPY_AGAIN
    strange = sum(character not in _HEX for character in digits)
    if abs(len(digits) - KEY_DIGITS) <= 2 and 1 <= strange <= 4:
        fault = "one character that is no" if strange == 1 else f"{strange} characters that are no"
        return (
            f"a key with {fault} hexadecimal digit{'' if strange == 1 else 's'}",
            f"{_COPY_AGAIN} (O is no 0, l no 1)",
        )
    return None


def _api_key(text: str) -> tuple[str, str] | None:
    """A key of an account at an exchange or a data seller: opaque text, often with a prefix or in a known form."""
    forms = (
        r"tm-[\w-]{8,}",
        r"organizations/[\w-]+/apiKeys/[\w-]+",
        r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
        r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=_.-]{16,200}",
    )
    if not any(re.fullmatch(form, text, re.ASCII) for form in forms):
        return None
    return (
        "an API key, as an exchange or a data seller gives one",
        "x402 needs no account and no API key: what pays is a wallet that holds USDC. Remove the API key from there; "
        f"{_NEW_KEY}",
    )


def _path(text: str) -> tuple[str, str] | None:
    if re.match(r"(~?/|\.{1,2}/|[A-Za-z]:\\|https?://)", text) or text.endswith((".json", ".txt", ".key", ".pem")):
        where = "an address of the web" if text.startswith("http") else "a path of a file"
        return (
            where,
            "set TOLLBOOK_KEYSTORE to a keystore file (with TOLLBOOK_KEYSTORE_PASSWORD_FILE), or TOLLBOOK_SIGNER_URL "
            "to a remote signer",
        )
    return None


_KINDS: tuple[Callable[[str], tuple[str, str] | None], ...] = (
    *(_wrapped, _placeholder, _phrase, _address, _path),
    *(_other_keys, _miscopied, _api_key),
)
"""In this order: the first that recognizes the text names it."""


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;|]+|\d+[.)]", text.strip("\"'[] ")) if word]


def _is_phrase(text: str) -> bool:
    """True for words alone, as many as a recovery phrase has; of a language that needs no spaces it says nothing."""
    words = _words(text)
    return 8 <= len(words) <= 26 and all(word.isalpha() and 2 <= len(word) <= 12 for word in words)


def _all_hex(text: str) -> bool:
    return bool(text) and all(character in _HEX for character in text)
