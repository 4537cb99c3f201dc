"""policy.toml: read once, whole, strictly. Every error names the key, what stands there and how to mend it."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tollbook.payer.addresses import ZERO_ADDRESS, checksum
from tollbook.payer.errors import Misconfigured
from tollbook.payer.money import Asset, parse_decimal
from tollbook.payer.rules import Caps, Policy, SellerPolicy, is_private_enough, origin
from tollbook.payer.strict_json import shown

FIRST_USE = "first-use"
_FILE_LIMIT = 1024 * 1024
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
LOCAL_CHAIN = 31337
_NETWORK_KEYS = (
    *("chain_id", "v1_name", "rpc_url", "finality"),
    *("lookback_blocks", "max_head_age", "max_head_ahead", "rpc_batch"),
)
_PAYMENT_KEYS = ("validity_seconds", "clock_skew_seconds", "max_timeout_seconds", "quote_max_age")
_FINALITIES = ("latest", "safe", "finalized")

# Tokens whose EIP-712 data is known: name, version, decimals. Naming them wrongly would make worthless signatures.
_KNOWN = {
    (8453, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"): ("USD Coin", "2", 6),
    (84532, "0x036CbD53842c5426634e7929541eC2318f3dCF7e"): ("USDC", "2", 6),
}

T = TypeVar("T")


def load_policy(path: Path) -> Policy:
    """The policy in a file. Raises Misconfigured naming the key and the fix."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"the policy file {path} can't be read: {error.strerror}",
            advice="write one (docs/operating.md shows it whole), or set TOLLBOOK_POLICY to where it is",
        ) from None
    if len(raw) > _FILE_LIMIT:
        raise Misconfigured(f"the policy file {path} is longer than {_FILE_LIMIT} bytes", advice="it should be a page")
    try:
        return parse_policy(raw.decode("utf-8"))
    except UnicodeDecodeError:
        what, advice = "is not UTF-8 text", "save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        what, advice = f"is not TOML: {error}", "mend the line it names"
    except Misconfigured as error:
        what, advice = f"has a fault: {error.what}", error.fix
    raise Misconfigured(f"the policy file {path} {what}", advice=advice)


def parse_policy(text: str) -> Policy:
    """The policy in a TOML text. Raises Misconfigured, or TOMLDecodeError for other text."""
    top = _Table("", tomllib.loads(text), ("network", "payment", "assets", "caps", "sellers"))
    network = top.table("network", _NETWORK_KEYS)
    payment = top.table("payment", _PAYMENT_KEYS, optional=True)
    chain_id = network.integer("chain_id", 1, 2**53)
    assets, also_named = _assets(top, chain_id)
    caps = _caps(top, assets)
    return Policy(
        chain_id=chain_id,
        v1_name=network.text("v1_name", r"[a-z0-9][a-z0-9-]{0,39}", '"base"'),
        rpc_url=network.url("rpc_url", secret=True),
        finality=network.choice("finality", _FINALITIES),
        lookback_blocks=network.integer("lookback_blocks", 1, 100_000_000, 400_000),
        max_head_age=network.integer("max_head_age", 0, 31_536_000, 0),
        max_head_ahead=network.integer("max_head_ahead", 0, 31_536_000, 0 if chain_id == LOCAL_CHAIN else 120),
        rpc_batch=network.integer("rpc_batch", 1, 1000, 100),
        validity_seconds=payment.integer("validity_seconds", 10, 300, 120),
        clock_skew_seconds=payment.integer("clock_skew_seconds", 0, 300, 60),
        max_timeout_seconds=payment.integer("max_timeout_seconds", 10, 31_536_000, 86_400),
        quote_max_age=payment.integer("quote_max_age", 0, 31_536_000, 86_400),
        assets=MappingProxyType(assets),
        also_named=MappingProxyType(also_named),
        caps=MappingProxyType(caps),
        sellers=MappingProxyType(_sellers(top, assets, caps)),
    )


def _assets(top: _Table, chain_id: int) -> tuple[dict[str, Asset], dict[str, tuple[str, ...]]]:
    assets: dict[str, Asset] = {}
    also_named: dict[str, tuple[str, ...]] = {}
    keys = ("address", "eip712_name", "eip712_version", "decimals", "also_named")
    for symbol, table in top.tables("assets", keys):
        asset = Asset(
            symbol=symbol,
            chain_id=chain_id,
            address=table.address("address"),
            eip712_name=table.text("eip712_name", r"[^\x00-\x1f]{1,100}", '"USD Coin"'),
            eip712_version=table.text("eip712_version", r"[^\x00-\x1f]{1,20}", '"2"'),
            decimals=table.integer("decimals", 0, 36),
        )
        _check_known(table, asset)
        if twin := next((a.symbol for a in assets.values() if a.address == asset.address), None):
            raise table.wrong("address", f"is also that of {twin}", "one token contract is one asset")
        assets[symbol] = asset
        also_named[symbol] = table.texts("also_named")
    return assets, also_named


def _check_known(table: _Table, asset: Asset) -> None:
    known = _KNOWN.get((asset.chain_id, asset.address))
    if known is None:
        return
    for key, ours, right in zip(
        ("eip712_name", "eip712_version", "decimals"),
        (asset.eip712_name, asset.eip712_version, asset.decimals),
        known,
        strict=True,
    ):
        if ours != right:
            raise table.wrong(key, f"is {ours!r}, and this token's is {right!r}", f"write {key} = {_toml(right)}")


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _caps(top: _Table, assets: Mapping[str, Asset]) -> dict[str, Caps]:
    caps: dict[str, Caps] = {}
    names = ("per_call", "per_run", "per_flow_day", "per_day", "per_month")
    for symbol, table in top.tables("caps", (*names, "price_drift")):
        if symbol not in assets:
            raise top.wrong(f"caps.{symbol}", "has no asset", f"add [assets.{symbol}] or remove these caps")
        limits = {name: table.money(name, assets[symbol].decimals) for name in names}
        caps[symbol] = Caps(**limits, price_drift=table.money("price_drift", 6, 250_000))
    return caps


def _sellers(top: _Table, assets: Mapping[str, Asset], caps: Mapping[str, Caps]) -> dict[str, SellerPolicy]:
    keys = tuple(name for name in SellerPolicy.__slots__ if name != "name")
    return {name: _seller(name, table, assets, caps) for name, table in top.tables("sellers", keys)}


def _seller(name: str, table: _Table, assets: Mapping[str, Asset], caps: Mapping[str, Caps]) -> SellerPolicy:
    symbol = table.choice("pay_with", tuple(assets))
    if symbol not in caps:
        raise table.wrong(
            "pay_with", f"is {symbol}, which has no caps", f"add [caps.{symbol}]: nothing is paid without"
        )
    return SellerPolicy(
        name=name,
        base_url=table.url("base_url"),
        pay_with=symbol,
        pay_to=_payees(table),
        tokens=_tokens(table),
        resource_origins=tuple(origin(url) for url in table.texts("resource_origins")),
        parallel=table.integer("parallel", 1, 256, 8),
        requests_per_minute=table.integer("requests_per_minute", 0, 1_000_000, 0),
        timeout_seconds=table.integer("timeout_seconds", 1, 600, 60),
        body_bytes=table.integer("body_bytes", 1024, 1024**3, 16 * 1024**2),
        loss_limit=table.money("loss_limit", assets[symbol].decimals, 3 * caps[symbol].per_call),
    )


def _payees(table: _Table) -> tuple[str, ...]:
    value = table.value("pay_to")
    if value == FIRST_USE:
        return ()
    fix = f'write "{FIRST_USE}", or a list of addresses such as ["0x…"]'
    if not isinstance(value, list) or not value:
        raise table.wrong("pay_to", f"is {shown(value)}", fix)
    payees = tuple(table.as_address("pay_to", entry) for entry in value)
    if ZERO_ADDRESS in payees:
        raise table.wrong("pay_to", "names the zero address", "remove it: what is paid there is destroyed")
    return payees


def _tokens(table: _Table) -> tuple[int, ...]:
    value = table.value("tokens", [])
    if not isinstance(value, list) or any(type(entry) is not int or entry < 1 for entry in value):
        raise table.wrong("tokens", f"is {shown(value)}", "write a list of the seller's token numbers: [3375, 3306]")
    return tuple(dict.fromkeys(value))


_MISSING: Any = object()


class _Table:
    """One table being read: unknown keys are refused at once, each value is checked as it is taken."""

    def __init__(self, path: str, values: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self._path = path
        self._values = values
        for key in values:
            if key not in known:
                raise self.wrong(key, "is not a key that tollbook knows", _did_you_mean(key, known))

    def name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def wrong(self, key: str, what: str, fix: str) -> Misconfigured:
        return Misconfigured(f"{self.name(key)} {what}", advice=fix)

    def value(self, key: str, default: Any = _MISSING) -> Any:
        if key in self._values:
            return self._values[key]
        if default is _MISSING:
            raise self.wrong(key, "is missing", f"add {key} to [{self._path}]" if self._path else f"add [{key}]")
        return default

    def table(self, key: str, known: tuple[str, ...], *, optional: bool = False) -> _Table:
        value = self.value(key, {} if optional else _MISSING)
        if not isinstance(value, dict):
            raise self.wrong(key, f"is {shown(value)}, not a table", f"write it as [{self.name(key)}]")
        return _Table(self.name(key), value, known)

    def tables(self, key: str, known: tuple[str, ...]) -> list[tuple[str, _Table]]:
        """Every table of tables such as [assets.USDC], with its name; at least one must stand there."""
        names = self.value(key)
        if not isinstance(names, dict) or not names:
            raise self.wrong(key, "names nothing", f"add a table such as [{key}.NAME]")
        for name in names:
            if not _SYMBOL.fullmatch(name):
                raise self.wrong(f"{key}.{shown(name)}", "is no name", "use letters, digits, '.', '_' and '-'")
        group = _Table(self.name(key), names, tuple(names))
        return [(name, group.table(name, known)) for name in names]

    def integer(self, key: str, low: int, high: int, default: int = _MISSING) -> int:
        value = self.value(key, default)
        if type(value) is not int:
            raise self.wrong(key, f"is {shown(value)}", f"write a whole number without quotes, {low} to {high}")
        if not low <= value <= high:
            raise self.wrong(key, f"is {shown(value)}", f"allowed is {low} to {high}")
        return value

    def text(self, key: str, pattern: str, example: str) -> str:
        value = self.value(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.wrong(key, f"is {shown(value)}", f"write text such as {example}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.value(key, [])
        if not isinstance(value, list) or any(not isinstance(entry, str) or not entry for entry in value):
            raise self.wrong(key, f"is {shown(value)}", 'write a list of texts such as ["…"]')
        return tuple(value)

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.value(key)
        if value not in allowed:
            raise self.wrong(key, f"is {shown(value)}", "allowed is " + ", ".join(f'"{one}"' for one in allowed))
        return str(value)

    def money(self, key: str, decimals: int, default: int = _MISSING) -> int:
        """Atoms of a decimal string; `default` is in atoms already."""
        value = self.value(key, default)
        if key not in self._values:
            return int(value)
        try:
            return parse_decimal(value, decimals)
        except (TypeError, ValueError) as error:
            fix = str(error)
        raise self.wrong(key, f"is {shown(value)}", fix)

    def address(self, key: str) -> str:
        return self.as_address(key, self.value(key))

    def as_address(self, key: str, value: Any) -> str:
        try:
            return checksum(value)
        except ValueError as error:
            fix = str(error)
        raise self.wrong(key, f"is {shown(value)}", f"{fix}; copy it again from its source")

    def url(self, key: str, *, secret: bool = False) -> str:
        """An absolute address without user, fragment or trailing slash; a `secret` one is never quoted."""
        value = self.value(key)
        quoted = "is not a usable address" if secret else f"is {shown(value)}"
        fix = "write an https address without user, query or fragment (http is for this machine only)"
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
            raise self.wrong(key, quoted, fix)
        try:
            parts = urlsplit(value)
            usable = bool(parts.hostname) and parts.port != 0 and is_private_enough(parts)
        except ValueError:
            usable = False
        if not usable or "@" in parts.netloc or parts.fragment or (parts.query and not secret):
            raise self.wrong(key, quoted, fix)
        return value.rstrip("/")


def _did_you_mean(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else "known here: " + ", ".join(known)
