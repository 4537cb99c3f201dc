"""Read policy.toml strictly. Every error names the key, its value and the fix (docs/policy.md has every key)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

from payer.policy.rules import LOCAL_CHAIN, Caps, Policy, SellerCaps, SellerPolicy, origin
from payer.policy.toml_table import TomlTable, shown_safely
from payer.values.errors import Misconfigured, PolicyMissing
from payer.values.money import Asset
from payer.wire.addresses import ZERO_ADDRESS

FIRST_USE = "first-use"
ANY_PAYEE = "any"
_FILE_LIMIT = 1024 * 1024
NETWORK_KEYS = (
    *("chain_id", "v1_name", "rpc_url", "rpc_urls", "finality"),
    *("lookback_blocks", "max_head_age", "max_head_ahead", "rpc_batch"),
)
PAYMENT_KEYS = (
    *("validity_seconds", "clock_skew_seconds", "max_timeout_seconds", "quote_max_age"),
    "count_chain_spend",
)
ASSET_KEYS = ("address", "eip712_name", "eip712_version", "decimals", "also_named")
_CEILINGS = ("per_call", "per_run", "per_flow_day", "per_day", "per_month")
CAP_KEYS = (*_CEILINGS, "price_drift")
SELLER_KEYS = tuple(key.name for key in fields(SellerPolicy) if key.name not in ("name", "any_payee"))
_RESOURCES = ("any", "exact")
_FINALITIES = ("latest", "safe", "finalized")
COUNT_NOTHING = "off"
_COUNTED = ("month", "day", COUNT_NOTHING)

# Name, version and decimals of known tokens (EIP-712): others would make signatures that the token refuses.
_KNOWN_TOKENS = {
    (8453, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"): ("USD Coin", "2", 6),
    (84532, "0x036CbD53842c5426634e7929541eC2318f3dCF7e"): ("USDC", "2", 6),
}


def load_policy(path: Path) -> Policy:
    """Read a policy file. Raises Misconfigured naming the key and the fix."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise PolicyMissing(f"there is no policy file {path}") from None
    except OSError as error:
        raise Misconfigured(
            f"the policy file {path} can't be read: {error.strerror}",
            advice="let this user read it, or set TOLLBOOK_POLICY to another",
        ) from None
    if len(raw) > _FILE_LIMIT:
        raise Misconfigured(f"the policy file {path} is longer than {_FILE_LIMIT} bytes", advice="it should be a page")
    try:
        return parse_policy(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        what, advice = "is not UTF-8 text", "save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        what, advice = f"is not TOML: {error}", "correct the line it names"
    except Misconfigured as error:
        what, advice = f"has a fault: {error.what}", error.fix
    raise Misconfigured(f"the policy file {path} {what}", advice=advice)


def parse_policy(text: str) -> Policy:
    """Parse a policy from TOML. Raises Misconfigured, or TOMLDecodeError for other text."""
    top = TomlTable("", tomllib.loads(text), ("network", "payment", "assets", "caps", "sellers"))
    network = top.table("network", NETWORK_KEYS)
    payment = top.table("payment", PAYMENT_KEYS, optional=True)
    chain_id = network.integer("chain_id", 1, 2**53)
    validity = payment.integer("validity_seconds", 10, 300, 120)
    servers = _servers(network)
    assets, also_named = _assets(top, chain_id)
    caps = _caps(top, assets)
    sellers = _sellers(top, assets, caps)
    counted = payment.choice("count_chain_spend", _COUNTED, _COUNTED[0])
    return Policy(
        chain_id=chain_id,
        v1_name=network.text("v1_name", r"[a-z0-9][a-z0-9-]{0,39}", '"base"'),
        servers=servers,
        finality=network.choice("finality", _FINALITIES),
        lookback_blocks=network.integer("lookback_blocks", 1, 100_000_000, 400_000),
        max_head_age=network.integer("max_head_age", 0, 31_536_000, 0),
        max_head_ahead=_head_ahead(network, chain_id, validity),
        rpc_batch=network.integer("rpc_batch", 1, 1000, 100),
        validity_seconds=validity,
        clock_skew_seconds=payment.integer("clock_skew_seconds", 0, 3600, 600),
        max_timeout_seconds=payment.integer("max_timeout_seconds", 10, 31_536_000, 31_536_000),
        quote_max_age=payment.integer("quote_max_age", 0, 31_536_000, 86_400),
        assets=MappingProxyType(assets),
        also_named=MappingProxyType(also_named),
        caps=MappingProxyType(_with_sellers(caps, sellers, counted != COUNT_NOTHING)),
        sellers=MappingProxyType(sellers),
        count_chain_spend=counted,
    )


def _servers(network: TomlTable) -> tuple[str, ...]:
    """The chain's servers, in the order in which they are asked: `rpc_url` first, then `rpc_urls`."""
    one = (network.url("rpc_url", secret=True),) if network.has("rpc_url") else ()
    urls = tuple(dict.fromkeys((*one, *network.urls("rpc_urls", secret=True))))
    if not urls:
        raise network.wrong("rpc_url", "is missing", "add rpc_url to [network], or rpc_urls for several servers")
    if len({origin(url) for url in urls}) < len(urls):
        fix = "name servers of different hosts: two addresses of one host are one witness"
        raise network.wrong("rpc_urls", "names a host twice", fix)
    return urls


def _head_ahead(network: TomlTable, chain_id: int, validity: int) -> int:
    """`max_head_ahead`: at most an eighth of the window that is signed, so that no live payment looks expired."""
    local = chain_id == LOCAL_CHAIN
    highest = max(1, validity // 8)
    seconds = network.integer("max_head_ahead", 0 if local else 1, 31_536_000, 0 if local else min(15, highest))
    if seconds > highest:
        fix = f"write {highest} or less: an eighth of payment.validity_seconds, which is {validity}"
        raise network.wrong("max_head_ahead", f"is {seconds}", fix)
    return seconds


def _assets(top: TomlTable, chain_id: int) -> tuple[dict[str, Asset], dict[str, tuple[str, ...]]]:
    assets: dict[str, Asset] = {}
    also_named: dict[str, tuple[str, ...]] = {}
    for symbol, table in top.tables("assets", ASSET_KEYS):
        asset = Asset(
            symbol=symbol,
            chain_id=chain_id,
            address=table.address("address"),
            eip712_name=table.text("eip712_name", r"[^\x00-\x1f]{1,100}", '"USD Coin"'),
            eip712_version=table.text("eip712_version", r"[^\x00-\x1f]{1,20}", '"2"'),
            decimals=table.integer("decimals", 0, 36),
        )
        _check_known_token(table, asset)
        if twin := next((a.symbol for a in assets.values() if a.address == asset.address), None):
            raise table.wrong("address", f"is also that of {twin}", "one token contract is one asset")
        assets[symbol] = asset
        also_named[symbol] = table.texts("also_named")
    return assets, also_named


def _check_known_token(table: TomlTable, asset: Asset) -> None:
    """Raise Misconfigured when a known token is declared with other EIP-712 data or decimals, or for another chain."""
    homes = [chain_id for chain_id, address in _KNOWN_TOKENS if address == asset.address]
    if homes and asset.chain_id not in homes and asset.chain_id in {chain_id for chain_id, _ in _KNOWN_TOKENS}:
        what = f"is this token's on chain {homes[0]}, and network.chain_id is {asset.chain_id}"
        here = next(address for chain_id, address in _KNOWN_TOKENS if chain_id == asset.chain_id)
        raise table.wrong("address", what, f"write chain_id = {homes[0]}, or this chain's address: {here}")
    known = _KNOWN_TOKENS.get((asset.chain_id, asset.address))
    if known is None:
        return
    for key, declared, right in zip(
        ("eip712_name", "eip712_version", "decimals"),
        (asset.eip712_name, asset.eip712_version, asset.decimals),
        known,
        strict=True,
    ):
        if declared != right:
            fix = f'write {key} = "{right}"' if isinstance(right, str) else f"write {key} = {right}"
            raise table.wrong(key, f"is {declared!r}, and this token's is {right!r}", fix)


def _caps(top: TomlTable, assets: Mapping[str, Asset]) -> dict[str, Caps]:
    caps: dict[str, Caps] = {}
    for symbol, table in top.tables("caps", CAP_KEYS):
        if symbol not in assets:
            raise top.wrong(f"caps.{symbol}", "has no asset", f"add [assets.{symbol}] or remove these caps")
        per_call, per_run, per_flow_day, per_day, per_month = (
            table.money(name, assets[symbol].decimals) for name in _CEILINGS
        )
        drift = table.money("price_drift", 6, 250_000)
        caps[symbol] = Caps(per_call, per_run, per_flow_day, per_day, per_month, drift)
    return caps


def _with_sellers(
    caps: Mapping[str, Caps], sellers: Mapping[str, SellerPolicy], counts_elsewhere: bool
) -> dict[str, Caps]:
    """The caps of each asset with those of its sellers that are lower; others would never be met first."""
    lower: dict[str, dict[str, SellerCaps]] = {symbol: {} for symbol in caps}
    for name, seller in sellers.items():
        limits = caps[seller.pay_with]
        per_day = seller.per_day if seller.per_day < limits.per_day else None
        per_month = seller.per_month if seller.per_month < limits.per_month else None
        if per_day is not None or per_month is not None:
            lower[seller.pay_with][name] = SellerCaps(per_day, per_month, seller.pay_to)
    return {
        symbol: replace(limits, counts_elsewhere=counts_elsewhere, sellers=lower[symbol])
        for symbol, limits in caps.items()
    }


def _sellers(top: TomlTable, assets: Mapping[str, Asset], caps: Mapping[str, Caps]) -> dict[str, SellerPolicy]:
    sellers: dict[str, SellerPolicy] = {}
    for name, table in top.tables("sellers", SELLER_KEYS):
        seller = _seller(name, table, assets, caps)
        if twin := next((other.name for other in sellers.values() if other.place == seller.place), None):
            fix = "one address is one seller: its caps, its payee and its losses are counted together"
            raise table.wrong("base_url", f"is also that of {twin}", fix)
        sellers[name] = seller
    return sellers


def _seller(name: str, table: TomlTable, assets: Mapping[str, Asset], caps: Mapping[str, Caps]) -> SellerPolicy:
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
        any_payee=table.value("pay_to") == ANY_PAYEE,
        tokens=_tokens(table),
        watch=_watch(table),
        resource=table.choice("resource", _RESOURCES, "any"),
        resource_origins=tuple(origin(url) for url in table.texts("resource_origins")),
        parallel=table.integer("parallel", 1, 256, 8),
        requests_per_minute=table.integer("requests_per_minute", 0, 1_000_000, 0),
        timeout_seconds=table.integer("timeout_seconds", 1, 600, 100),
        body_bytes=table.integer("body_bytes", 1024, 1024**3, 16 * 1024**2),
        loss_limit=table.money("loss_limit", assets[symbol].decimals, 3 * caps[symbol].per_call),
        per_day=table.money("per_day", assets[symbol].decimals, caps[symbol].per_day),
        per_month=table.money("per_month", assets[symbol].decimals, caps[symbol].per_month),
        price_drift=table.optional_money("price_drift", 6),
        datasets=_datasets(table),
        declaration=_declaration(table),
    )


def _datasets(table: TomlTable) -> Mapping[str, int | None]:
    """The price drift of each table below [sellers.NAME.datasets]; none where it is left out."""
    if table.value("datasets", {}) == {}:
        return MappingProxyType({})
    found = table.tables("datasets", ("price_drift",))
    return MappingProxyType({name: each.optional_money("price_drift", 6) for name, each in found})


def _declaration(table: TomlTable) -> str:
    """The path of the file that says what the seller sells, as written; "" where it is left out."""
    if not table.has("declaration"):
        return ""
    return table.text("declaration", r"[^\x00-\x1f]{1,1000}", '"sellers/example.toml", from the policy file\'s folder')


def _payees(table: TomlTable) -> tuple[str, ...]:
    value = table.value("pay_to")
    if value in (FIRST_USE, ANY_PAYEE):
        return ()
    fix = f'write "{FIRST_USE}", a list of addresses such as ["0x…"], or "{ANY_PAYEE}" (docs/policy.md has its cost)'
    if not isinstance(value, list) or not value:
        raise table.wrong("pay_to", f"is {shown_safely(value)}", fix)
    payees = tuple(table.as_address("pay_to", entry) for entry in value)
    if ZERO_ADDRESS in payees:
        raise table.wrong("pay_to", "names the zero address", "remove it: what is paid there is destroyed")
    return payees


def _tokens(table: TomlTable) -> tuple[int, ...]:
    value = table.value("tokens", [])
    if not isinstance(value, list) or any(type(entry) is not int or entry < 1 for entry in value):
        raise table.wrong(
            "tokens", f"is {shown_safely(value)}", "write a list of the seller's token numbers: [3375, 3306]"
        )
    return tuple(dict.fromkeys(value))


def _watch(table: TomlTable) -> Mapping[str, tuple[str, ...]]:
    value = table.value("watch", {})
    fix = 'write the keys by dataset: watch = {"glassnode-price-close" = ["BTC", "ETH"]}'
    if not isinstance(value, dict):
        raise table.wrong("watch", f"is {shown_safely(value)}", fix)
    for name, keys in value.items():
        if not isinstance(keys, list) or not all(_is_key(key) for key in keys):
            raise table.wrong(f"watch.{shown_safely(name)}", f"is {shown_safely(keys)}", fix)
    return MappingProxyType({name: tuple(dict.fromkeys(str(key) for key in keys)) for name, keys in value.items()})


def _is_key(value: object) -> bool:
    """Tell whether a value is a number, or a text without spaces at its ends, which would be a typing mistake."""
    return type(value) is int or (isinstance(value, str) and value == value.strip() != "")
