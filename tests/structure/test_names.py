"""Two things never share a name."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.paths import ROOT, source_files


def test_no_class_name_is_defined_twice() -> None:
    places = defaultdict(list)
    for path in source_files():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_module_bears_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler"}
    assert [path for path in source_files() if path.stem in empty or path.parent.name in empty] == []
