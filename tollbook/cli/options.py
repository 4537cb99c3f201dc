"""Options that several verbs share, declared once so that their help and meaning agree."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")
]
Tokens: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--tokens", metavar="LIST", help="Token ids or symbols, separated by commas (3375,ETH). Repeat it for more."
    ),
]
Top: TypeAlias = Annotated[
    bool, typer.Option("--top", help="Of several tokens with one symbol, take the one with the greatest market cap.")
]
Keys: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--keys",
        metavar="KEY",
        help="A key of what is not sold by token: an index id, a coin, a question. Repeat it for more.",
    ),
]
Everything: TypeAlias = Annotated[bool, typer.Option("--all", help="Every dataset there is.")]
MaxCost: TypeAlias = Annotated[
    str | None, typer.Option("--max-cost", metavar="X", help="Spend at most X of the seller's asset, for example 0.50.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Buy without asking, up to the bill.")]
Flows: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="FLOW", help="grades, signals, moonshots, or any dataset or table.")
]
First: TypeAlias = Annotated[
    str | None, typer.Option("--from", metavar="D", help="First day, YYYY-MM-DD, inclusive (UTC).")
]
Last: TypeAlias = Annotated[
    str | None, typer.Option("--to", metavar="D", help="Last day, inclusive; by default the newest settled day.")
]
