"""Read what tollbook bought: `tollbook.read` for one table, `tollbook.sql` for a query, `tollbook.connect` for more.

`tollbook.cli` is the command. Importing this module loads no other package of ours, and DuckDB only when first used.
"""

from __future__ import annotations

from tollbook.reading.file import connect
from tollbook.reading.read import frame, read, sql

__version__: str

__all__ = ["__version__", "connect", "frame", "read", "sql"]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module 'tollbook' has no attribute {name!r}")
    from importlib.metadata import version

    return version("tollbook")
