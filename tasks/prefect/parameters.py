"""The parameters of the flows, as types whose JSON schema explains itself in Prefect's form.

Prefect shows a parameter's schema as a form, and its server checks what is sent against it. Values stay plain text,
whole numbers and lists: what they mean is checked by the run, with the command's own words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from tasks.request.names import names_with_history

JsonSchema = dict[str, Any]

AMOUNT = r"^[0-9]+(\.[0-9]+)?$"
"""Plain digits: what `payer.values.money.parse_decimal` reads."""


@dataclass(frozen=True, slots=True)
class Form:
    """Put this schema in the place of a type's own. `shown` is called when a deployment is made: it may list names."""

    shown: Callable[[], JsonSchema]

    def __get_pydantic_json_schema__(self, _core_schema: Any, _handler: Any) -> JsonSchema:
        return self.shown()


def optional(description: str, value: JsonSchema, *, without: str) -> Form:
    """A field that may be left empty; `without` says what holds then."""
    return Form(lambda: {"description": description, "anyOf": [{"type": "null", "title": without}, value]})


def _datasets() -> JsonSchema:
    several = {
        "type": "array",
        "title": "from the list",
        "items": {"type": "string", "enum": names_with_history()},
        "minItems": 1,
        "examples": [["grades", "signals"]],
    }
    one = {"type": "string", "title": "by name", "minLength": 1, "examples": ["trading-signals"]}
    description = (
        "What to buy the past of: flows, datasets or tables of one seller, several in one bill. Of a snapshot the "
        "history is bought. By name, also what a file of your policy declares."
    )
    return {"description": description, "anyOf": [several, one]}


def _day(description: str) -> JsonSchema:
    return {"type": "string", "format": "date", "description": description, "examples": ["2026-01-31"]}


def _amount(title: str) -> JsonSchema:
    return {"type": "string", "title": title, "pattern": AMOUNT, "examples": ["0.50"]}


Datasets = Annotated[str | list[str], Form(_datasets)]
"""One or several names that have a history."""

FirstDay = Annotated[str, Form(lambda: _day("The first day to buy, inclusive (UTC)."))]

LastDay = Annotated[
    str | None,
    optional(
        "The last day to buy, inclusive (UTC).",
        {"type": "string", "format": "date", "title": "until this day", "examples": ["2026-01-31"]},
        without="until the newest settled day",
    ),
]

Tokens = Annotated[
    str | None,
    optional(
        "Which tokens: ids or symbols, separated by commas.",
        {"type": "string", "title": "these tokens", "minLength": 1, "examples": ["3375,ETH"]},
        without="the policy's watch list",
    ),
]

Keys = Annotated[
    list[str] | None,
    optional(
        "Keys of what is not sold by token: index ids, coins, questions.",
        {
            "type": "array",
            "title": "these keys",
            "items": {"type": "string", "minLength": 1},
            "examples": [["bitcoin"]],
        },
        without="the policy's watch list",
    ),
]

MaxCost = Annotated[
    str | None,
    optional(
        "The most that this run may spend, in the seller's asset (USDC). The policy's caps hold as well.",
        _amount("at most"),
        without="only the policy's caps",
    ),
]

ApproveAbove = Annotated[
    str,
    Form(
        lambda: {
            **_amount("approve_above"),
            "description": "A bill above this amount, in the seller's asset (USDC), waits for approval by a person. "
            "A range that is bought again always waits.",
        }
    ),
]

ApprovalSeconds = Annotated[
    int,
    Field(ge=1),
    Form(
        lambda: {
            "type": "integer",
            "minimum": 1,
            "description": "How many seconds a bill waits for approval. Nothing is bought after that.",
            "examples": [3600],
        }
    ),
]

Again = Annotated[
    bool,
    Form(
        lambda: {
            "type": "boolean",
            "description": "Buy all of the range once more: what is held, confirmed empty, or failed. "
            "The bill waits for approval.",
        }
    ),
]
