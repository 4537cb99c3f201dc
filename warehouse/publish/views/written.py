"""The views that are written by hand, as SQL: on costs, and on what sellers nest in a row."""

from __future__ import annotations

from importlib.resources import files


def views_sql() -> str:
    """The statements that create them."""
    package = files("warehouse.publish.views")
    return "\n".join(package.joinpath(name).read_text("utf-8") for name in ("costs.sql", "nested.sql"))


def view_query(name: str) -> str:
    """The query of a view on costs that is written by hand, to be asked of a part of `costs` and `avoided`."""
    _, _, rest = views_sql().partition(f"CREATE OR REPLACE VIEW {name} AS\n")
    return rest.partition(";\n")[0]
