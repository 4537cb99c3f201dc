"""No coroutine calls the ledger itself: it would block the event loop for as long as another process holds the lock."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.paths import ROOT, source_files

AWAITED = {"in_thread", "begin", "beside", "aclose"}
"""The calls of a ledger that a coroutine may make."""
ROOMS = ("payer/buy", "payer/settle", "payer/context.py", "payer/payer.py", "tasks", "flows", "tollbook/cli")
FILES = [path.relative_to(ROOT) for path in source_files() if str(path.relative_to(ROOT)).startswith(ROOMS)]


def in_coroutines(node: ast.AST, inside: bool = False) -> Iterator[ast.Call]:
    """Calls in the bodies of coroutines, without those of the functions that they give away."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and inside:
            yield child
        if isinstance(child, ast.AsyncFunctionDef):
            yield from in_coroutines(child, True)
        elif isinstance(child, (ast.FunctionDef, ast.Lambda)):
            yield from in_coroutines(child, False)
        else:
            yield from in_coroutines(child, inside)


def of_ledger(call: ast.Call) -> str:
    """The method of a ledger that is called, "" for any other call."""
    called = call.func
    if not isinstance(called, ast.Attribute) or called.attr in AWAITED:
        return ""
    owner = called.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return called.attr if name in ("ledger", "_ledger") else ""


def test_a_coroutine_reaches_the_ledger_through_its_thread() -> None:
    found = [
        f"{path}:{call.lineno}: {name}"
        for path in FILES
        for call in in_coroutines(ast.parse((ROOT / path).read_text()))
        if (name := of_ledger(call))
    ]
    assert found == [], "await ledger.in_thread(ledger.…), or in a step `ws.in_thread`"


def test_a_call_in_a_coroutine_is_found() -> None:
    code = "async def f(ws):\n    ws.ledger.get(1)\n    await ws.in_thread(lambda: ws.ledger.get(2))\n"
    found = [(call.lineno, of_ledger(call)) for call in in_coroutines(ast.parse(code))]
    assert [each for each in found if each[1]] == [(2, "get")]
