"""Keep pandas out of the command's process: pyarrow imports it with its first conversion, wherever it is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("the command does without pandas", name=fullname)
        return None


def leave_out_pandas() -> None:
    """Make `import pandas` fail from now on, which saves a run at a prompt a quarter of a second."""
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NoPandas())
