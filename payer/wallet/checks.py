"""Check on the chain, before anything is signed, that a token is what policy says, and takes this key's signatures.

USDC 2.2 and tokens like it verify a payer that has code by asking that code (EIP-1271), whatever its key has signed. So
a wallet contract can't pay with EIP-3009 signatures of its owner. An address that delegates to code (EIP-7702) has a
key all the same, and some delegates take its plain signatures while others want their own form: the delegate is asked,
with a signature that can never move anything.
"""

from __future__ import annotations

from payer.chain.chain import ChainReader, TokenData
from payer.values.errors import Misconfigured
from payer.values.money import Asset
from payer.values.terms import Authorization
from payer.wallet.eip3009 import digest, domain_separator
from payer.wallet.sign import Signer
from payer.wire.addresses import checksum
from payer.wire.strict_json import shown

_IN_VAIN = "it would refuse every signature"


def token_fault(asset: Asset, token: TokenData) -> tuple[str, str]:
    """Say what differs between policy and the contract, and the fix; empty texts where nothing does.

    Wrong decimals make every cap too wide or too narrow. DOMAIN_SEPARATOR decides on name and version, which are
    compared themselves only where the token has none.
    """
    table = f"assets.{asset.symbol}"
    if token.decimals != asset.decimals:
        what = f"{table}.decimals is {asset.decimals}, and the token's decimals() is {token.decimals}"
        return f"{what}: every amount and cap would be wrong", f"write decimals = {token.decimals}"
    if token.domain_separator == domain_separator(asset):
        return "", ""
    for key, ours, theirs in (
        ("eip712_name", asset.eip712_name, token.name),
        ("eip712_version", asset.eip712_version, token.version),
    ):
        if theirs is not None and theirs != ours:
            what = f"{table}.{key} is {shown(ours)}, and the token's is {shown(theirs)}: {_IN_VAIN}"
            return what, f"write {key} = {shown(theirs)}, if the address is right"
    if token.domain_separator is None and token.name is not None and token.version is not None:
        return "", ""
    return (
        f"the token at {table}.address has another EIP-712 domain than policy names: {_IN_VAIN}",
        f"correct {table}.eip712_name, eip712_version or address, or network.chain_id",
    )


async def check_token(chain: ChainReader, asset: Asset) -> TokenData:
    """Read a token and compare it. Raises Misconfigured for a difference, ChainUnreachable where it can't be read."""
    token = await chain.token(asset)
    what, fix = token_fault(asset, token)
    if what:
        raise Misconfigured(what, advice=fix)
    return token


_DELEGATION = bytes.fromhex("ef0100")
_DELEGATION_BYTES = 23
_ACCEPTED = "1626ba7e"
"""The selector of isValidSignature(bytes32,bytes), and what it returns for a signature that it accepts (EIP-1271)."""
_WORD = 32
_NOBODY = checksum("0x" + "dead".rjust(40, "0"))


def expired_authorization(asset: Asset, payer: str) -> Authorization:
    """An authorization that ended in 1970: no token settles it, so anybody may see its signature."""
    return Authorization(asset, payer, _NOBODY, 1, valid_after=0, valid_before=1, nonce="0x" + "00" * 32)


async def check_account(chain: ChainReader, signer: Signer, asset: Asset) -> str:
    """Return what the account delegates to, "" for one without code.

    Raises Misconfigured where the token would not take the key's signatures, ChainUnreachable, and what signing raises.
    """
    code = await chain.code(signer.address)
    if not code:
        return ""
    if len(code) != _DELEGATION_BYTES or not code.startswith(_DELEGATION):
        raise Misconfigured(
            f"{signer.address} is a wallet contract (EIP-1271), and can't pay: {asset.symbol} asks the contract, and "
            "x402's `exact` payments carry the signature of a key. Nothing was signed",
            advice=f"pay from a key's own address: send it {asset.symbol} from the contract, as much as the caps need",
        )
    delegate = checksum("0x" + code[3:].hex())
    harmless = expired_authorization(asset, signer.address)
    signature = await signer.signature_of(harmless)
    answer = await chain.ask(signer.address, is_valid_signature(digest(harmless), signature))
    if answer is not None and answer.lower() == "0x" + _ACCEPTED + "00" * (_WORD - 4):
        return delegate
    raise Misconfigured(
        f"{signer.address} delegates to {delegate} (EIP-7702), which does not accept its key's plain signatures, and "
        f"{asset.symbol} asks it: every payment would be refused. Nothing was sent",
        advice="end the delegation (delegate to the zero address), or pay from an address that has none",
    )


def is_valid_signature(digest32: bytes, signature: str) -> str:
    """Encode the call of isValidSignature, as 0x hex."""
    from eth_abi.abi import encode

    return "0x" + _ACCEPTED + encode(["bytes32", "bytes"], [digest32, bytes.fromhex(signature[2:])]).hex()
