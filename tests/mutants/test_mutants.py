"""The list of mutants is in step with the code; `make mutants` plants them."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.__main__ import MUTANTS
from tests.mutants.mutant import Mutant
from tests.paths import ROOT

FEWEST = 60


def test_there_are_enough_and_none_stands_twice() -> None:
    assert len(MUTANTS) >= FEWEST
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.before, mutant.after) for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_planted_and_its_tests_are_there(mutant: Mutant) -> None:
    ast.parse(mutant.planted(ROOT))
    for argument in mutant.tests:
        path, _, name = argument.partition("::")
        assert (ROOT / path).exists(), argument
        assert not name or f"def {name}(" in (ROOT / path).read_text(), argument
