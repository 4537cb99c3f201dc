"""The parameters of the flows, as types whose JSON schema explains itself in Prefect's form.

Prefect shows a parameter's schema as a form, and its server checks what is sent against it. Values stay plain text,
whole numbers and lists: what they mean is checked by the run, with the command's own words.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from tasks.request.names import names_with_history

JsonSchema = dict[str, Any]

AMOUNT = r"^[0-9]+(\.[0-9]+)?$"
"""Plain digits: what `payer.values.money.parse_decimal` reads."""

_DAY: JsonSchema = {"type": "string", "format": "date", "examples": ["2026-01-31"]}


def form(description: str, **schema: Any) -> WithJsonSchema:
    """A schema in the place of the type's own."""
    return WithJsonSchema({**schema, "description": description})


def optional(description: str, *, without: str, **value: Any) -> WithJsonSchema:
    """A field that may be left empty; `without` says what holds then."""
    return form(description, anyOf=[{"type": "null", "title": without}, value])


def _amount(title: str) -> JsonSchema:
    return {"type": "string", "title": title, "pattern": AMOUNT, "examples": ["0.50"]}


class DatasetNames:
    """The form of names that have a history, listed when a deployment is made."""

    def __get_pydantic_json_schema__(self, _core_schema: Any, _handler: Any) -> JsonSchema:
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


Datasets = Annotated[str | list[str], DatasetNames()]

FirstDay = Annotated[str, form("The first day to buy, inclusive (UTC).", **_DAY)]

LastDay = Annotated[
    str | None,
    optional(
        "The last day to buy, inclusive (UTC).", without="until the newest settled day", title="until this day", **_DAY
    ),
]

_WATCHED = "the policy's watch list"

Tokens = Annotated[
    str | None,
    optional(
        "Which tokens: ids or symbols, separated by commas.",
        without=_WATCHED,
        type="string",
        title="these tokens",
        minLength=1,
        examples=["3375,ETH"],
    ),
]

Keys = Annotated[
    list[str] | None,
    optional(
        "Keys of what is not sold by token: index ids, coins, questions.",
        without=_WATCHED,
        type="array",
        title="these keys",
        items={"type": "string", "minLength": 1},
        examples=[["bitcoin"]],
    ),
]

MaxCost = Annotated[
    str | None,
    optional(
        "The most that this run may spend, in the seller's asset (USDC). The policy's caps hold as well.",
        without="only the policy's caps",
        **_amount("at most"),
    ),
]

ApproveAbove = Annotated[
    str,
    form(
        "A bill above this amount, in the seller's asset (USDC), waits for approval by a person. "
        "A range that is bought again always waits.",
        **_amount("approve_above"),
    ),
]

ApprovalSeconds = Annotated[
    int,
    Field(ge=1),
    form(
        "How many seconds a bill waits for approval. Nothing is bought after that.",
        type="integer",
        minimum=1,
        examples=[3600],
    ),
]

Again = Annotated[
    bool,
    form(
        "Buy all of the range once more: what is held, confirmed empty, or failed. The bill waits for approval.",
        type="boolean",
    ),
]
