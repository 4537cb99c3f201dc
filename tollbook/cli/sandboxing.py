"""The sandbox is an optional part of an installation; without it the verbs that need it say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from payer.values.errors import Misconfigured


@contextmanager
def needs_sandbox() -> Iterator[None]:
    """Turns a missing library of the sandbox into an error with its fix."""
    try:
        yield
    except ImportError as missing:
        raise Misconfigured(
            f"the sandbox is not installed: {missing.name} is missing",
            advice="install tollbook with its extra: `pip install 'tollbook[sandbox]'`; in a checkout run `make demo`",
        ) from None
