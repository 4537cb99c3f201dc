"""Token ids from what a person types: ids, symbols, names. Symbols are not unique, so a doubtful one is asked back."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from tollbook.tasks.asking import Keys
from tollbook.tasks.asks import BadRequest
from tollbook.tasks.workspace import Workspace

CATALOGUE = "tokens"
"""The free dataset that lists every token the seller knows."""


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the seller's catalogue."""

    token_id: str
    symbol: str
    name: str


async def resolve_tokens(ws: Workspace, text: str) -> tuple[str, ...]:
    """Ids of a comma list such as "3375,ETH". The catalogue is fetched (free) when there is none yet.

    Raises BadRequest for a token nobody knows (with near matches) and for a symbol that several carry.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise BadRequest(f"--tokens {text!r} names no token", advice="write ids or symbols, such as 3375,ETH")
    tokens = await catalogue(ws)
    return tuple(dict.fromkeys(_one(word, tokens) for word in words))


async def keys_named(ws: Workspace, tokens: str | None, keys: str | None = None) -> Keys:
    """--tokens and --keys as a selection; keys that are no tokens are taken as they are written."""
    others = tuple(word.strip() for word in keys.split(",") if word.strip()) if keys is not None else None
    return Keys(await resolve_tokens(ws, tokens) if tokens is not None else None, others)


async def catalogue(ws: Workspace) -> Mapping[str, Token]:
    """Every token known, by id."""
    from tollbook.tasks.load import load

    await load(ws)
    found = known(ws)
    if not found:
        from tollbook.tasks.fetching import fetch_free

        await fetch_free(ws, CATALOGUE)
        found = known(ws)
    return found


def known(ws: Workspace) -> Mapping[str, Token]:
    """What the cache holds of the catalogue; asks nobody."""
    rows = ws.from_cache(lambda cache: cache.tokens())
    return {str(row.token_id): Token(str(row.token_id), row.symbol or "", row.name or "") for row in rows}


def _one(word: str, tokens: Mapping[str, Token]) -> str:
    if word in tokens:
        return word
    lowered = word.lower()
    matches = [t for t in tokens.values() if t.symbol.lower() == lowered]
    matches = matches or [t for t in tokens.values() if t.name.lower() == lowered]
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
