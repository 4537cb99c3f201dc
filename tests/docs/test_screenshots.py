"""Pictures of the docs: each is there, small, and shown somewhere; `make screenshots` takes them again."""

from __future__ import annotations

import re

from tests.docs.screenshots import IMAGES, PICTURES
from tests.paths import DOCS, ROOT

KILOBYTES = 250


def test_every_picture_is_there_and_small() -> None:
    sizes = {path.name: path.stat().st_size for path in IMAGES.glob("*.png")}
    assert set(sizes) == {*PICTURES, "dashboard.png"}
    assert {name: size for name, size in sizes.items() if size > KILOBYTES * 1000} == {}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in IMAGES.glob("*.png"))


def test_every_picture_is_shown_with_words_for_those_who_do_not_see_it() -> None:
    text = "\n".join(page.read_text() for page in [*DOCS.glob("*.md"), ROOT / "README.md"])
    shown = {name: words for words, name in re.findall(r"!\[([^\]]*)\]\((?:docs/)?images/([^)]*)\)", text)}
    shown |= dict(re.findall(r'<img src="(?:docs/)?images/([^"]*)" alt="([^"]*)"', text))
    assert set(shown) >= {path.name for path in IMAGES.glob("*.png")}
    assert all(len(words) > 20 for words in shown.values())
