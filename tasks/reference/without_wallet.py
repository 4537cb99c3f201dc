"""Read the seller's free lists without a wallet: in a home that is thrown away, by a key that is forgotten with it."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from sources import registry
from tasks.request.keys import TOKENS

CATALOGUED = registry.dataset(TOKENS).seller
"""The seller that sells by token, and lists its tokens for nothing."""

HOME, KEY, OFFSET = "TOLLBOOK_HOME", "TOLLBOOK_PRIVATE_KEY", "TOLLBOOK_CLOCK_OFFSET"


@contextmanager
def throwaway_home(clock_offset: str | None = None) -> Iterator[dict[str, str]]:
    """Yield the environment of a home that ends with the block, without a policy; `clock_offset` is a sandbox's.

    A free purchase has a payer like any other: its key is drawn here.
    """
    with tempfile.TemporaryDirectory(prefix="tollbook-lists-") as folder:
        yield {HOME: folder, KEY: secrets.token_hex(32), **({OFFSET: clock_offset} if clock_offset else {})}
