"""Read what tollbook bought: `tollbook.read` for one table, `tollbook.connect` for SQL, `tollbook.frame` for its rows.

`tollbook.cli` is the command. Importing this module loads no other package of ours, and DuckDB only when first used.
"""

from __future__ import annotations

from tollbook.reading.file import connect
from tollbook.reading.read import frame, read

__version__: str

__all__ = ["__version__", "connect", "frame", "read"]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module 'tollbook' has no attribute {name!r}")
    from importlib.metadata import version

    return version("tollbook")
