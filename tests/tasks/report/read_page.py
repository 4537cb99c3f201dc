"""Read a page's tables by their ids: cells as text, and what a machine reads of an amount."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = ElementTree.Element("page")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = ElementTree.SubElement(self._open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in VOID:
            self._open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        ElementTree.SubElement(self._open[-1], tag, {name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        parent = self._open[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + data
        else:
            parent.text = (parent.text or "") + data


@dataclass(frozen=True)
class Page:
    """A parsed page."""

    root: ElementTree.Element

    def table(self, name: str) -> list[dict[str, str]]:
        """Rows of a table under its headings; of an amount, what a machine reads."""
        table = self.by_id(name)
        heads = [text_of(head) for head in table.findall("./thead/tr/th")]
        lines = [*table.findall("./tbody/tr"), *table.findall("./tfoot/tr")]
        return [dict(zip(heads, map(value_of, line), strict=True)) for line in lines]

    def by_id(self, name: str) -> ElementTree.Element:
        [found] = [each for each in self.root.iter() if each.get("id") == name]
        return found

    @property
    def text(self) -> str:
        return text_of(self.root)


def read_page(html: str) -> Page:
    """Parse it; every element has to be closed in its order."""
    tree = _Tree()
    tree.feed(html)
    tree.close()
    return Page(tree.root)


def value_of(cell: ElementTree.Element) -> str:
    data = cell.find(".//data")
    return text_of(cell) if data is None else data.get("value", "")


def text_of(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())
