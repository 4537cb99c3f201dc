"""Token ids from what a person types: ids, symbols, names. Symbols are not unique, so a doubtful one is asked back."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.request.keys import TOKENS
from tasks.request.requests import BadRequest, Keys
from tasks.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the seller's catalogue."""

    token_id: str
    symbol: str
    name: str


async def resolve_tokens(ws: Workspace, text: str) -> Keys:
    """Ids of a comma list such as "3375,ETH", with notes on repairs. The catalogue is fetched (free) when it was never
    read to its end, and read again before a token is called unknown.

    Raises BadRequest for a token nobody knows (with near matches) and for a symbol that several carry.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise BadRequest(f"--tokens {text!r} names no token", advice="write ids or symbols, such as 3375,ETH")
    tokens, notes = await catalogue(ws)
    if not all(_matches(word, tokens) for word in words):
        tokens, more = await catalogue(ws, today=True)
        notes += more
    return Keys(tuple(dict.fromkeys(_one(word, tokens) for word in words)), notes=notes)


async def keys_named(ws: Workspace, tokens: str | None, keys: Sequence[str] = ()) -> Keys:
    """--tokens and each --keys as a selection; keys that are no tokens are taken as they are written."""
    others = tuple(dict.fromkeys(key.strip() for key in keys if key.strip()))
    found = await resolve_tokens(ws, tokens) if tokens is not None else Keys()
    return replace(found, others=others or None)


async def catalogue(ws: Workspace, *, today: bool = False) -> tuple[Mapping[str, Token], tuple[str, ...]]:
    """Every token known, by id: as of today, or whenever the whole list was last read; with notes on repairs."""
    from tasks.buy.load import load

    loaded = await load(ws)
    if not _read(ws, today=today):
        from tasks.buy.fetch_free import fetch_free

        await fetch_free(ws, TOKENS)
    tokens, notes = known(ws)
    return tokens, (*loaded.notes, *notes)


def _read(ws: Workspace, *, today: bool) -> bool:
    """The list was read to its end, ever or today. Some pages of it are no catalogue."""
    from sources import registry
    from sources.model import EVERYTHING
    from sources.slots import slot
    from warehouse.coverage.held import held

    dataset, now = registry.dataset(TOKENS), ws.clock.now()
    here = slot(dataset, now)
    return bool(held(ws.cache, dataset, (EVERYTHING,), here if today else 0, here, now).spans)


def known(ws: Workspace) -> tuple[Mapping[str, Token], tuple[str, ...]]:
    """What the cache holds of the catalogue, and notes on what was repaired; asks nobody."""
    rows, notes = ws.from_cache(lambda cache: cache.tokens())
    return {str(row.token_id): Token(str(row.token_id), row.symbol or "", row.name or "") for row in rows}, notes


def _matches(word: str, tokens: Mapping[str, Token]) -> list[Token]:
    """By id, else by symbol, else by name."""
    if word in tokens:
        return [tokens[word]]
    lowered = word.lower()
    found = [t for t in tokens.values() if t.symbol.lower() == lowered]
    return found or [t for t in tokens.values() if t.name.lower() == lowered]


def _one(word: str, tokens: Mapping[str, Token]) -> str:
    matches = _matches(word, tokens)
    if len(matches) == 1:
        return matches[0].token_id
    if matches:
        listed = "; ".join(f"{t.token_id} {t.name}" for t in sorted(matches, key=lambda t: int(t.token_id)))
        raise BadRequest(f"{word!r} fits {len(matches)} tokens: {listed}", advice="name the one you mean by its id")
    raise BadRequest(f"no token is called {word!r} among {len(tokens)} known", advice=_near(word, tokens))


def _near(word: str, tokens: Mapping[str, Token]) -> str:
    by_word = {name.lower(): t for t in tokens.values() for name in (t.name, t.symbol, t.token_id) if name}
    near = [by_word[match] for match in difflib.get_close_matches(word.lower(), by_word, n=3, cutoff=0.6)]
    if not near:
        return "the `tokens` table lists them all: id, symbol and name"
    return "did you mean " + " or ".join(dict.fromkeys(f"{t.symbol} ({t.token_id} {t.name})" for t in near)) + "?"
