"""Tell a damaged file from other trouble."""

from __future__ import annotations

import duckdb

from warehouse.cache.integrity import is_damage


def test_trouble_with_the_disk_or_another_program_is_no_damage() -> None:
    assert not is_damage(duckdb.IOException('Could not write file "cache.duckdb": No space left on device'))
    assert not is_damage(duckdb.IOException('Cannot open file "cache.duckdb": Permission denied'))
    assert not is_damage(duckdb.IOException("Could not set lock on file"))
    assert not is_damage(duckdb.ParserException("syntax error"))
    assert is_damage(duckdb.Error("Corrupt database file: computed checksum 1 does not match stored checksum 2"))
