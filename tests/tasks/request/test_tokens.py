"""Tokens by id, symbol or name; what an ambiguous word means."""

from __future__ import annotations

import pytest

from tasks.request.model import BadRequest
from tasks.request.tokens import any_ambiguous, search, token_ids
from warehouse.cache.store import Token


def catalogue(*tokens: Token) -> dict[str, Token]:
    return {str(token.token_id): token for token in tokens}


BITCOIN = Token(3375, "BTC", "Bitcoin", rank=1)
COPY = Token(7, "BTC", "Batcoin")
SMALL = Token(8, "SMA", "Small", market_cap=5.0)
SMALLER = Token(9, "SMA", "Smaller", market_cap=4.0)
UNSIZED = Token(10, "SMA", "Unsized")


def test_a_symbol_of_one_token_needs_no_choice() -> None:
    tokens = catalogue(BITCOIN, SMALL)
    assert not any_ambiguous(["btc"], tokens)
    assert token_ids(["btc", "3375", "Small"], tokens) == ("3375", "8")


def test_an_ambiguous_symbol_is_refused_with_rank_and_market_cap() -> None:
    with pytest.raises(BadRequest, match=r"3375 Bitcoin \(rank 1\); 7 Batcoin") as refusal:
        token_ids(["BTC"], catalogue(COPY, BITCOIN))
    assert "--top" in refusal.value.fix
    with pytest.raises(BadRequest, match=r"8 Small \(\$5\); 9 Smaller \(\$4\)"):
        token_ids(["SMA"], catalogue(SMALLER, SMALL))


@pytest.mark.parametrize(
    ("word", "tokens", "meant"),
    [("BTC", (COPY, BITCOIN), "3375"), ("SMA", (SMALLER, SMALL), "8")],
)
def test_top_takes_the_one_with_the_greatest_market_cap(word: str, tokens: tuple[Token, ...], meant: str) -> None:
    assert token_ids([word], catalogue(*tokens), top=True) == (meant,)


def test_top_is_refused_where_the_largest_is_not_known() -> None:
    """I9: a token without a market cap isn't a small one."""
    with pytest.raises(BadRequest) as refusal:
        token_ids(["SMA"], catalogue(SMALL, UNSIZED), top=True)
    assert "doesn't say which is the largest" in refusal.value.fix


def test_search_finds_parts_of_names_and_whole_ids_the_largest_first() -> None:
    tokens = catalogue(UNSIZED, SMALLER, SMALL, COPY, BITCOIN)
    assert search("sma", tokens) == [SMALL, SMALLER, UNSIZED]
    assert search("7", tokens) == [COPY]
    assert search("", tokens)[0] == BITCOIN
