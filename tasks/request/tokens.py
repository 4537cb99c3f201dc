"""Find token ids by what a person types: ids, symbols, names. Symbols are not unique: an ambiguous one is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from tasks.request.model import BadRequest
from warehouse.cache.store import Token

Catalogue = Mapping[str, Token]
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


def any_ambiguous(words: Iterable[str], tokens: Catalogue) -> bool:
    """True when a word fits several tokens."""
    return any(len(_matches(word, tokens)) > 1 for word in words)


def token_ids(words: Iterable[str], tokens: Catalogue, *, top: bool = False) -> tuple[str, ...]:
    """Return the id of each word's token, each once, in the order of the words.

    A word that fits several is refused, or with `top` means the one with the greatest market cap.
    Raises BadRequest for an unknown token (with near matches), for a word that fits several, and with `top` where
    the seller doesn't say which of them is the largest.
    """
    return tuple(dict.fromkeys(_token_id(word, tokens, top=top) for word in words))


def search(query: str, tokens: Catalogue) -> list[Token]:
    """Find tokens whose id is the query, or whose symbol or name contains it in any case, the largest first."""
    lowered = query.lower()
    found = [
        token
        for key, token in tokens.items()
        if key == query or lowered in (token.symbol or "").lower() or lowered in (token.name or "").lower()
    ]
    return sorted(found, key=_by_size)


def _matches(word: str, tokens: Catalogue) -> list[Token]:
    """Match by id, else by symbol, else by name."""
    if word in tokens:
        return [tokens[word]]
    lowered = word.lower()
    matches = [token for token in tokens.values() if (token.symbol or "").lower() == lowered]
    return matches or [token for token in tokens.values() if (token.name or "").lower() == lowered]


def _by_size(token: Token) -> tuple[float, float, int]:
    """Sort key: by rank, then by market cap, then by id; those without come last."""
    return token.rank or float("inf"), -(token.market_cap or 0), token.token_id


def _token_id(word: str, tokens: Catalogue, *, top: bool) -> str:
    matches = sorted(_matches(word, tokens), key=_by_size)
    # The first by size is surely the largest where it alone is ranked, or each has its rank or its cap.
    largest_known = bool(matches) and (matches[0].rank is not None or all(m.market_cap is not None for m in matches))
    if len(matches) == 1 or (top and largest_known):
        return str(matches[0].token_id)
    if matches:
        listed = "; ".join(_described(token) for token in matches)
        if top:
            advice = "the seller doesn't say which is the largest: name the one you mean by its id"
        else:
            advice = "name the one you mean by its id, or add --top to take the one with the greatest market cap"
        raise BadRequest(f"{word!r} fits {len(matches)} tokens: {listed}", advice=advice)
    raise BadRequest(f"no token is called {word!r} among {len(tokens)} known", advice=_near(word, tokens))


def _described(token: Token) -> str:
    """The id, the name and, as far as the seller gives them, rank and market cap."""
    cap = "" if token.market_cap is None else f"${token.market_cap:,.0f}"
    size = ", ".join(part for part in (f"rank {token.rank}" if token.rank else "", cap) if part)
    return f"{token.token_id} {token.name or ''}" + (f" ({size})" if size else "")


def _near(word: str, tokens: Catalogue) -> str:
    by_word = {
        name.lower(): token
        for token in tokens.values()
        for name in (token.name, token.symbol, str(token.token_id))
        if name
    }
    near = [by_word[match] for match in difflib.get_close_matches(word.lower(), by_word, n=3, cutoff=0.6)]
    if not near:
        return "`tollbook tokens QUERY` finds ids, symbols and names"
    names = dict.fromkeys(f"{token.symbol or ''} ({token.token_id} {token.name or ''})" for token in near)
    return "did you mean " + " or ".join(names) + "?"
