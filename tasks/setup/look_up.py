"""Look up tokens in the seller's free lists before anything is set up, for nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import tomlkit

from payer.environment.env_file import POLICY, policy_path
from payer.values.errors import PayerError
from sources import registry
from tasks.reference.catalogue import CATALOGUED, HOME, OFFSET, catalogue, ranked, refresh_reference, throwaway_home
from tasks.request.tokens import Catalogue, search, token_ids, words_of
from tasks.setup.policy_text import Listed, drafted
from tasks.workspace.settings import environment
from tasks.workspace.workspace import Workspace
from warehouse.cache.store import Token
from warehouse.load.parse import read_one

SECTIONS = ("network", "assets", "caps", "sellers")
"""Sections that a policy has before anything may be paid by it."""


@contextmanager
def free_lists(shipped: Path) -> Iterator[Mapping[str, str]]:
    """Yield an environment in which the free lists can be read: this process's where it has a home and a whole policy.

    Else a home is made for the block. Of the policy only the seller is needed: without a file the `shipped` one does,
    and a file without a network, assets or caps has those of the shipped one.
    """
    environ = environment()
    own = policy_path(environ)
    policy = own if own.exists() or environ.get(POLICY) else shipped
    missing = _missing_sections(policy)
    if environ.get(HOME) and policy is own and not missing:
        yield environ
        return
    with throwaway_home(environ.get(OFFSET)) as made:
        if missing:
            policy = Path(made[HOME]) / "policy.toml"
            policy.write_text(_completed(own.read_text("utf-8-sig"), shipped.read_text("utf-8")), "utf-8")
        yield {**made, POLICY: str(policy)}


def _missing_sections(policy: Path) -> list[str]:
    """The sections that a policy lacks; none where it can't be read, which is told where it is loaded."""
    try:
        sections = tomllib.loads(policy.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return []
    return [name for name in SECTIONS if name not in sections]


def _completed(text: str, shipped: str) -> str:
    """Return the shipped policy with the sections of another one, and of its sellers the one that lists tokens."""

    own, whole = tomlkit.parse(text), tomlkit.parse(shipped)
    for name, section in own.items():
        if name != "sellers":
            whole[name] = section
    if (seller := own.get("sellers", {}).get(CATALOGUED)) is not None:
        whole["sellers"] = {CATALOGUED: seller}
    return tomlkit.dumps(whole)


PRICES = "price"


async def find_tokens(
    home: Mapping[str, str], policy_text: str, words: str | None, *, top: bool, most: int
) -> list[Listed]:
    """Return the tokens of a comma list such as "BTC,3306", or without one the `most` largest, with rank and price.

    `home` is a throwaway home's environment, in which each list is fetched once; `policy_text` names seller and chain.
    Raises BadRequest for a token that is unknown or ambiguous, and whatever keeps the lists from being read.
    """
    policy = Path(home[HOME]) / "policy.toml"

    def opened(tokens: Sequence[Listed]) -> Workspace:
        policy.write_text(drafted(policy_text, network=None, caps={}, tokens=tokens), "utf-8")
        return Workspace.open({**home, POLICY: str(policy)})

    async with opened(()) as ws:
        known, _ = await catalogue(ws)
        known, _ = await ranked(ws, known)
    chosen = _chosen(known, words, top=top, most=most)
    async with opened([_listed(token) for token in chosen]) as ws:
        prices = await _prices(ws)
    return [_listed(token, prices.get(token.token_id)) for token in chosen]


def _chosen(found: Catalogue, words: str | None, *, top: bool, most: int) -> list[Token]:
    if words is None:
        return [token for token in search("", found) if token.rank is not None or token.market_cap is not None][:most]
    return [found[key] for key in token_ids(words_of(words), found, top=top)]


def _listed(token: Token, price: float | None = None) -> Listed:
    return Listed(token.token_id, token.symbol, token.name, token.rank, token.market_cap, price)


async def _prices(ws: Workspace) -> Mapping[int, float | None]:
    """Prices of the policy's tokens, from the seller's free list; none where it can't be read."""
    try:
        await refresh_reference(ws, PRICES)
    except PayerError:
        return {}
    return await ws.in_thread(_read_prices, ws)


def _read_prices(ws: Workspace) -> dict[int, float | None]:
    found: dict[int, float | None] = {}
    for purchase in ws.ledger.purchases():
        if purchase.order.dataset != registry.dataset(PRICES).name:
            continue
        delivery = ws.ledger.delivery(purchase.purchase_id)
        parsed = read_one(delivery).parsed if delivery else None
        if parsed is not None:
            ids, values = (parsed.table[name].to_pylist() for name in ("token_id", "current_price"))
            found.update(zip(ids, values, strict=True))
    return found


def only_ids(words: Sequence[str]) -> list[Listed] | None:
    """Tokens that were named by their ids alone, which need no list; None where one is a symbol."""
    if all(word.isdecimal() and word.isascii() and int(word) > 0 for word in words):
        return [Listed(int(word)) for word in dict.fromkeys(words)]
    return None
