"""Find token ids by what a person types: ids, symbols, names. Symbols are not unique: an ambiguous one is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tasks.request.model import BadRequest

if TYPE_CHECKING:
    from warehouse.cache.store import Token

Catalogue = Mapping[str, "Token"]
"""The seller's tokens by id."""


def words_of(text: str) -> list[str]:
    """Split a comma list such as "3375,ETH". Raises BadRequest for one that names nothing."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise BadRequest(f"--tokens {text!r} names no token", advice="write ids or symbols, such as 3375,ETH")
    return words


def all_known(words: Iterable[str], tokens: Catalogue) -> bool:
    """True when each word fits at least one token."""
    return all(_matches(word, tokens) for word in words)


def token_ids(words: Iterable[str], tokens: Catalogue) -> tuple[str, ...]:
    """Return the id of each word's token, each once, in the order of the words.

    Raises BadRequest for an unknown token (with near matches) and for a symbol that several tokens have.
    """
    return tuple(dict.fromkeys(_token_id(word, tokens) for word in words))


def _matches(word: str, tokens: Catalogue) -> list[Token]:
    """Match by id, else by symbol, else by name."""
    if word in tokens:
        return [tokens[word]]
    lowered = word.lower()
    matches = [token for token in tokens.values() if (token.symbol or "").lower() == lowered]
    return matches or [token for token in tokens.values() if (token.name or "").lower() == lowered]


def _token_id(word: str, tokens: Catalogue) -> str:
    matches = _matches(word, tokens)
    if len(matches) == 1:
        return str(matches[0].token_id)
    if matches:
        listed = "; ".join(f"{t.token_id} {t.name or ''}" for t in sorted(matches, key=lambda t: t.token_id))
        raise BadRequest(f"{word!r} fits {len(matches)} tokens: {listed}", advice="name the one you mean by its id")
    raise BadRequest(f"no token is called {word!r} among {len(tokens)} known", advice=_near(word, tokens))


def _near(word: str, tokens: Catalogue) -> str:
    by_word = {
        name.lower(): token
        for token in tokens.values()
        for name in (token.name, token.symbol, str(token.token_id))
        if name
    }
    near = [by_word[match] for match in difflib.get_close_matches(word.lower(), by_word, n=3, cutoff=0.6)]
    if not near:
        return "the `tokens` table lists them all: id, symbol and name"
    names = dict.fromkeys(f"{token.symbol or ''} ({token.token_id} {token.name or ''})" for token in near)
    return "did you mean " + " or ".join(names) + "?"
