"""docs/sandbox.md names every fault, setting and control there is, and no other."""

from __future__ import annotations

import dataclasses
import re

from sandbox.faults import CATALOGUE
from sandbox.settings import WorldSettings
from sandbox.world import World
from tests.paths import DOCS

PAGE = (DOCS / "sandbox.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_the_page_lists_every_fault_with_its_leg_and_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \| (.*) \|$", section("Faults"), re.MULTILINE)
    listed = {name: (leg, does, re.findall(r"`(\w+)`", fields)) for name, leg, does, fields in rows}
    assert listed == {name: (kind.leg, kind.does, list(kind.params)) for name, kind in CATALOGUE.items()}


def test_the_page_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", section("Settings"), re.MULTILINE)
    defaults = WorldSettings()
    assert dict(rows) == {one.name: repr(getattr(defaults, one.name)) for one in dataclasses.fields(defaults)}


def test_the_page_lists_every_control(world: World) -> None:
    told = set(re.findall(r"`(/[a-z/-]+)`", section("Controls")))
    assert told == {path for _, path in world.control.paths()}
