"""The text of a policy file with what was chosen in it: the shipped template, or the file that is there, edited.

Comments, order and every other key stay as their author wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.items import Array

from tasks.setup.network import ASSET, SELLER, Network


@dataclass(frozen=True, slots=True)
class Listed:
    """A token of the watch list, as the seller's free lists have it. `price` and `market_cap` are in US dollars."""

    token_id: int
    symbol: str | None = None
    name: str | None = None
    rank: int | None = None
    market_cap: float | None = None
    price: float | None = None

    @property
    def comment(self) -> str:
        """The words beside the id in the file, on one line: a name is a stranger's text."""
        words = " ".join(part for part in (self.symbol, self.name) if part)
        return "".join(each for each in words if each.isprintable())[:60].strip()


def drafted(text: str, *, network: Network | None, caps: Mapping[str, str], tokens: Iterable[Listed] | None) -> str:
    """Return the policy with the network, the caps and the watch list in it; None leaves what is there.

    A value that is there already, and a watch list of the same tokens, keep their lines as they are.
    """
    policy = tomlkit.parse(text)
    if network is not None:
        if "rpc_urls" in (table := _table(policy, ("network",))) and table.get("chain_id") != network.chain_id:
            del table["rpc_urls"]
        _set(policy, ("network",), network.network)
        _set(policy, ("assets", ASSET), network.asset)
        _set(policy, ("sellers", SELLER), network.seller)
    _set(policy, ("caps", ASSET), caps)
    listed = None if tokens is None else list(tokens)
    if listed is not None:
        seller = _table(policy, ("sellers", SELLER))
        if [int(token) for token in seller.get("tokens", [])] != [token.token_id for token in listed]:
            seller["tokens"] = _array(listed)
    return tomlkit.dumps(policy)


def _set(policy: Any, path: tuple[str, ...], values: Mapping[str, Any]) -> None:
    table = _table(policy, path)
    for key, value in values.items():
        if table.get(key) != value:
            table[key] = value


def _table(policy: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        policy = policy.setdefault(name, tomlkit.table())
    return policy


def _array(tokens: Iterable[Listed]) -> Array:
    array = tomlkit.array()
    for token in tokens:
        array.add_line(token.token_id, comment=token.comment or None)
    array.add_line(indent="")
    return array
