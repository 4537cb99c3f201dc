"""The extra `sandbox` of an installation: `demo` and `sandbox` need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from payer.values.errors import Misconfigured


@contextmanager
def needs_sandbox() -> Iterator[None]:
    """Raise Misconfigured with the command that installs the extra where an import inside fails."""
    try:
        yield
    except ImportError as missing:
        raise Misconfigured(
            f"the sandbox is not installed: {missing.name} is missing",
            advice="install tollbook with its extra: `pip install 'tollbook[sandbox]'`; in a checkout run `make demo`",
        ) from None
