"""Print sellers as TOML files, to read or to begin from: `python -m sources.as_toml NAME …`."""

from __future__ import annotations

import sys

from sources import registry
from sources.declaration.write import write_declaration

if __name__ == "__main__":
    print("\n".join(write_declaration(registry.seller(name)) for name in sys.argv[1:]), end="")
