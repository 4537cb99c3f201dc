"""EIP-3009 authorizations: their EIP-712 digest and typed data, and the wallet, the only place in tollbook that signs.

Hashing is written out by hand: the typed-data encoder of eth-account costs ten times the signature itself.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Any, NoReturn

from payer.values.money import Asset
from payer.values.terms import Authorization, SecretStr
from payer.wire.addresses import ZERO_ADDRESS, address_word, checksum, is_hash, keccak256
from payer.wire.payment import authorization_fields
from payer.wire.terms import UINT256_MAX

MAX_WINDOW_SECONDS = 3_900
"""No authorization lives longer than this from validAfter to validBefore, whatever policy or caller says."""

_DOMAIN_TYPEHASH = bytes.fromhex("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f")
_TRANSFER_TYPEHASH = bytes.fromhex("7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267")
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@lru_cache(maxsize=64)
def domain_separator(asset: Asset) -> bytes:
    """EIP-712 domain of a token, from policy's table: name, version, chain and contract."""
    return keccak256(
        _DOMAIN_TYPEHASH
        + keccak256(asset.eip712_name.encode())
        + keccak256(asset.eip712_version.encode())
        + asset.chain_id.to_bytes(32, "big")
        + address_word(asset.address)
    )


def digest(authorization: Authorization) -> bytes:
    """The 32 bytes that are signed (EIP-712, EIP-3009 TransferWithAuthorization)."""
    struct = keccak256(
        _TRANSFER_TYPEHASH
        + address_word(authorization.payer)
        + address_word(authorization.pay_to)
        + authorization.value.to_bytes(32, "big")
        + authorization.valid_after.to_bytes(32, "big")
        + authorization.valid_before.to_bytes(32, "big")
        + bytes.fromhex(authorization.nonce[2:])
    )
    return keccak256(b"\x19\x01" + domain_separator(authorization.asset) + struct)


def recover(digest32: bytes, signature: str) -> str:
    """Return the address that signed a digest. Raises ValueError for a malformed or malleable (high-s) signature."""
    from coincurve import PublicKey

    raw = bytes.fromhex(signature.removeprefix("0x"))
    if len(raw) != 65 or raw[64] not in (27, 28):
        raise ValueError("a signature is 65 bytes and ends in 27 or 28")
    if int.from_bytes(raw[32:64], "big") > _CURVE_ORDER // 2:
        raise ValueError("the signature's s is high: tokens refuse the malleable twin")
    key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest32, hasher=None)
    return _address(key.format(compressed=False))


def _address(public_key: bytes) -> str:
    return checksum("0x" + keccak256(public_key[1:])[-20:].hex())


class Wallet:
    """A payer's key. Only its address is ever shown; repr and messages omit the key, and pickling raises (I10)."""

    __slots__ = ("_key", "address", "nonce_secret")

    address: str
    nonce_secret: bytes
    repeats = True

    def __init__(self, private_key: bytes) -> None:
        from coincurve import PrivateKey

        self._key = PrivateKey(private_key)
        self.address = _address(self._key.public_key.format(compressed=False))
        self.nonce_secret = hmac.new(private_key, b"tollbook nonce secret v1", hashlib.sha256).digest()

    def sign(self, authorization: Authorization) -> SecretStr:
        """Sign an authorization: 65 bytes as 0x hex, always the same for the same authorization (RFC 6979, low s).

        Raises ValueError for what no policy allows: another payer, a zero value, a window that is too long.
        """
        check_signable(authorization, self.address)
        raw = self._key.sign_recoverable(digest(authorization), hasher=None)
        return SecretStr("0x" + raw[:64].hex() + format(27 + raw[64], "02x"))

    async def signature_of(self, authorization: Authorization) -> SecretStr:
        """Sign as `sign` does, for callers that know a `Signer`."""
        return self.sign(authorization)

    async def aclose(self) -> None:
        """Close nothing: the key is in this process."""

    def __repr__(self) -> str:
        return f"Wallet({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a wallet never leaves its process")


def check_signable(authorization: Authorization, address: str) -> None:
    """Raise ValueError for an authorization that this address may not sign, whatever policy says."""
    window = authorization.valid_before - authorization.valid_after
    if authorization.payer != address:
        raise ValueError(f"the authorization's payer is {authorization.payer}, the wallet is {address}")
    if authorization.pay_to.lower() in (ZERO_ADDRESS, address.lower(), authorization.asset.address.lower()):
        raise ValueError(f"a payment to {authorization.pay_to} buys nothing")
    if not 1 <= authorization.value <= UINT256_MAX:
        raise ValueError(f"the value {authorization.value} can't be paid")
    if authorization.valid_after < 0 or not 0 < window <= MAX_WINDOW_SECONDS:
        raise ValueError(f"a window of {window} seconds is never signed")
    if not is_hash(authorization.nonce):
        raise ValueError("the nonce is not 0x and 64 hexadecimal digits")


_DOMAIN = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))
_TRANSFER = (
    *(("from", "address"), ("to", "address"), ("value", "uint256")),
    *(("validAfter", "uint256"), ("validBefore", "uint256"), ("nonce", "bytes32")),
)


def typed_data(authorization: Authorization) -> dict[str, Any]:
    """Return types, domain and message (EIP-3009 TransferWithAuthorization).

    Integers of the message are decimal text, as signers of every language read them without loss.
    """
    asset = authorization.asset
    return {
        "types": {"EIP712Domain": _fields(_DOMAIN), "TransferWithAuthorization": _fields(_TRANSFER)},
        "primaryType": "TransferWithAuthorization",
        "domain": {
            "name": asset.eip712_name,
            "version": asset.eip712_version,
            "chainId": asset.chain_id,
            "verifyingContract": asset.address,
        },
        "message": authorization_fields(authorization),
    }


def _fields(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in pairs]
