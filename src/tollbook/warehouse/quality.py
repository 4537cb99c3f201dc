"""Whether the data can be trusted, as views over the cache; publishing makes tables of them under the same names."""

from __future__ import annotations

from importlib.resources import files


def views() -> list[str]:
    """The statements that make them."""
    text = files("tollbook.warehouse").joinpath("quality.sql").read_text("utf-8")
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]
