"""The shipped modules and who imports whom, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.paths import PACKAGES, ROOT, source_files


@dataclass(frozen=True)
class Import:
    """One imported module, where it stands: inside a function or not, for the type checker alone or not."""

    module: str
    line: int
    in_function: bool
    typing_only: bool


def name_of(path: Path) -> str:
    """The dotted name of a module by its file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> Mapping[str, Path]:
    """Every shipped module by its dotted name."""
    return {name_of(path): path for path in source_files()}


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Every import of the file, at any depth; `from a import b` counts as a.b where that is a module of ours."""
    return tuple(_within(ast.parse(path.read_text()), False, False))


def _within(node: ast.AST, in_function: bool, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = in_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, in_function, typing_only) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: relative import"
            assert child.module
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                module = whole if whole in modules() else child.module
                yield Import(module, child.lineno, in_function, typing_only)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for statement in child.body:
                yield from _within(ast.Module([statement], []), in_function, True)
        else:
            yield from _within(child, inside, typing_only)


def is_ours(module: str) -> bool:
    return module.split(".")[0] in PACKAGES


@cache
def arrows(*, typing: bool = False) -> Mapping[str, frozenset[str]]:
    """Map each of our modules to those of ours it imports when it runs, at whatever depth of its code; with `typing`
    also to those it names in types alone."""
    return {
        name: frozenset(one.module for one in imports(path) if is_ours(one.module) and (typing or not one.typing_only))
        - {name}
        for name, path in modules().items()
    }
