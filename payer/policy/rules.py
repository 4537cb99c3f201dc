"""The policy as frozen values: assets, caps, sellers, attempts. Money is in atomic units, times are in seconds."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from payer.values.money import Asset

MILLION = 1_000_000
LOCAL_CHAIN = 31337
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class SellerCaps:
    """Caps of one seller in atomic units, beside those of its asset; None for no such cap.

    `payees` are the addresses that policy lists for it: what the wallet paid to them elsewhere counts, too.
    """

    per_day: int | None = None
    per_month: int | None = None
    payees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """Largest rise of a price, in millionths, and the policy key that sets it."""

    millionths: int
    key: str


@dataclass(frozen=True, slots=True)
class Caps:
    """Caps of one asset in atomic units, enforced before signing. `price_drift` is in millionths: 250000 is 25 %.

    `sellers` are the caps that sellers paid in this asset have of their own. `counts_elsewhere`: what the chain shows
    as paid by the wallet, and this ledger doesn't have, counts in the day's and the month's caps.
    """

    per_call: int
    per_run: int
    per_flow_day: int
    per_day: int
    per_month: int
    price_drift: int = 250_000
    sellers: Mapping[str, SellerCaps] = field(default_factory=dict)
    counts_elsewhere: bool = True


@dataclass(frozen=True, slots=True)
class SellerPolicy:
    """One seller that may be paid. An empty `pay_to` means first use: the first payee seen is pinned.

    `any_payee` pays whichever address each 402 names. `resource` is "any", or "exact" to refuse terms whose `resource`
    is not our request. `tokens` and `watch` (by dataset) are the keys requested when none are named. `loss_limit` is
    in atomic units; 0 stops at the first loss. `price_drift`, and that of `datasets` by name, take the place of the
    asset's, unless they are None. `per_day` and `per_month` are caps in atomic units, by default the asset's.
    `declaration` is the path of the file that says what it sells, as policy writes it; "" for a seller that ships.
    """

    name: str
    base_url: str
    pay_with: str
    pay_to: tuple[str, ...] = ()
    any_payee: bool = False
    tokens: tuple[int, ...] = ()
    watch: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resource: str = "any"
    resource_origins: tuple[str, ...] = ()
    parallel: int = 8
    requests_per_minute: int = 0
    timeout_seconds: int = 100
    body_bytes: int = 16 * 1024 * 1024
    loss_limit: int = 0
    per_day: int = 0
    per_month: int = 0
    price_drift: int | None = None
    datasets: Mapping[str, int | None] = field(default_factory=dict)
    declaration: str = ""

    @property
    def origin(self) -> str:
        return origin(self.base_url)

    @property
    def place(self) -> tuple[str, str]:
        """The origin and path of `base_url`: the same for two spellings of it."""
        return self.origin, urlsplit(self.base_url).path.rstrip("/")

    def holds(self, url: str) -> bool:
        """True if a URL is `base_url` or below it."""
        base, path = self.place[1], urlsplit(url).path
        return origin(url) == self.origin and (path == base or path.startswith(base + "/"))


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that may be paid for; what is not named is refused.

    `servers` are the URLs of the chain's servers, in the order in which they are asked. They may hold keys.
    `count_chain_spend` says how far back the wallet's transfers count in the caps: "month", "day" or "off".
    """

    chain_id: int
    v1_name: str
    servers: tuple[str, ...] = field(repr=False)
    finality: str
    assets: Mapping[str, Asset]
    caps: Mapping[str, Caps]
    sellers: Mapping[str, SellerPolicy]
    also_named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lookback_blocks: int = 400_000
    max_head_age: int = 0
    max_head_ahead: int = 15
    rpc_batch: int = 100
    validity_seconds: int = 120
    clock_skew_seconds: int = 600
    max_timeout_seconds: int = 31_536_000
    quote_max_age: int = 86_400
    count_chain_spend: str = "month"

    @property
    def network(self) -> str:
        """The CAIP-2 name of the chain that payments are made on."""
        return f"eip155:{self.chain_id}"

    def drift_for(self, seller: str, dataset: str) -> Drift:
        """Return the drift of a dataset's price: its own, else its seller's, else its asset's."""
        rules = self.sellers[seller]
        if (own := rules.datasets.get(dataset)) is not None:
            return Drift(own, f'sellers.{seller}.datasets."{dataset}".price_drift')
        if rules.price_drift is not None:
            return Drift(rules.price_drift, f"sellers.{seller}.price_drift")
        return Drift(self.caps[rules.pay_with].price_drift, f"caps.{rules.pay_with}.price_drift")

    @property
    def is_local(self) -> bool:
        """True for the chain of a sandbox, which may stand still or be moved."""
        return self.chain_id == LOCAL_CHAIN

    def seller_at(self, url: str) -> SellerPolicy | None:
        """The seller at a URL's origin; of several, the one with the longest `base_url` that the URL begins with."""
        wanted = origin(url)
        at_origin = [seller for seller in self.sellers.values() if seller.origin == wanted]
        at_origin.sort(key=lambda seller: -len(seller.base_url))
        return next((seller for seller in at_origin if url.startswith(seller.base_url)), next(iter(at_origin), None))

    def asset_for(self, seller: str) -> Asset:
        return self.assets[self.sellers[seller].pay_with]


@lru_cache(maxsize=1024)
def origin(url: str) -> str:
    """The origin of a URL in one spelling: host in lower case, default ports left out (RFC 6454)."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    shown_host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{shown_host}{port}"


def is_https_or_loopback(parts: SplitResult) -> bool:
    """Tell whether a URL is https, or plain http to this machine, which nobody can intercept."""
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Tell whether a host is localhost or a loopback address; no name is resolved."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """Limits on presenting a payment and claiming its body; nothing is presented `margin` seconds before its end.

    `presents` is per call of `buy`; `claims` is per purchase, before it becomes undelivered. Each entry of `later`
    allows one more claim of an undelivered purchase, due that many seconds after it was settled; a call of `buy` makes
    one of them.
    """

    margin: int = 6
    presents: int = 3
    claims: int = 3
    later: tuple[int, ...] = (600, 3_600, 6 * 3_600, 86_400, 3 * 86_400, 7 * 86_400)


@dataclass(frozen=True, slots=True)
class AttemptCounts:
    """Counts of one call of `buy`: authorizations presented, bodies claimed."""

    presents: int = 0
    claims: int = 0
