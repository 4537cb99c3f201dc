"""The report as a person sees it: real Chromium, three widths, both themes, and on paper."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows import costs as costs_flow
from tasks.report.write import publish_report
from tasks.workspace.workspace import Workspace
from tests.browser import browser
from tests.tasks.report.read_page import Page, read_page
from tollbook.cli.main import run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS, THEMES = (360, 768, 1280), ("light", "dark")
SEEN = """() => ({
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    background: getComputedStyle(document.body).backgroundColor,
    outside: [...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll') && !one.closest('svg')
        && one.getBoundingClientRect().right > window.innerWidth + 1).map(one => one.outerHTML.slice(0, 80)),
    drawings: [...document.querySelectorAll('figure svg')].map(one => one.getBoundingClientRect())
        .filter(box => box.width > 0).map(box => [box.width, box.height]),
    hidden: [...document.querySelectorAll('figure')].filter(one =>
        ![...one.querySelectorAll('svg')].some(each => each.getBoundingClientRect().width > 0)).length,
    smallest: Math.min(...[...document.querySelectorAll('figure svg text')].map(one => one.getBoundingClientRect())
        .filter(box => box.width > 0).map(box => box.height)),
    colours: [...document.querySelectorAll('figure svg path[fill^=var]')].map(one => getComputedStyle(one).fill),
    unnamed: [...document.querySelectorAll('figure, section, [role=region], [role=meter]')].filter(one =>
        !one.getAttribute('aria-label') && !one.getAttribute('aria-labelledby')).length,
    astray: [...document.querySelectorAll('[aria-labelledby], [aria-describedby]')].flatMap(one =>
        [one.getAttribute('aria-labelledby'), one.getAttribute('aria-describedby')]).filter(Boolean)
        .filter(id => !document.getElementById(id)),
    bare: [...document.querySelectorAll('table')].filter(one =>
        !one.caption || [...one.querySelectorAll('th')].some(head => !head.scope)).length,
})"""


@dataclass(frozen=True)
class Look:
    """One sight of the page: what the browser said, asked for and measured."""

    width: int
    theme: str
    said: list[str]
    asked: list[str]
    seen: dict[str, Any]


@dataclass(frozen=True)
class Sights:
    """The page at every width in both themes, and printed from the dark one."""

    looks: list[Look]
    on_paper: dict[str, Any]
    pdf: bytes


@pytest.fixture(scope="module")
def sights(page_file: Path) -> Sights:
    """One browser for all, which is closed again: its library keeps an event loop in this thread."""
    with browser() as opened:
        looks = [look(opened, page_file, width, theme) for width in WIDTHS for theme in THEMES]
        context = opened.new_context(viewport={"width": 718, "height": 1000}, color_scheme="dark")
        page = context.new_page()
        page.goto(page_file.as_uri())
        page.emulate_media(media="print")
        return Sights(looks, page.evaluate(SEEN), page.pdf(format="A4", prefer_css_page_size=True))


@pytest.fixture
def looks(sights: Sights) -> list[Look]:
    return sights.looks


def look(opened: Browser, path: Path, width: int, theme: Any) -> Look:
    said: list[str] = []
    asked: list[str] = []
    context = opened.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    found = Look(width, theme, said, asked, page.evaluate(SEEN))
    context.close()
    return found


def test_nothing_runs_over_the_edge_at_any_width(looks: list[Look]) -> None:
    assert [(one.width, one.theme, one.seen["overflow"], one.seen["outside"]) for one in looks] == [
        (width, theme, 0, []) for width in WIDTHS for theme in THEMES
    ]


def test_it_asks_for_nothing_but_itself_and_the_console_stays_empty(looks: list[Look], page_file: Path) -> None:
    assert {url for one in looks for url in one.asked} == {page_file.as_uri()}
    assert [one.said for one in looks] == [[]] * len(looks)


def test_every_chart_is_seen_and_its_words_can_be_read(looks: list[Look]) -> None:
    assert {one.seen["hidden"] for one in looks} == {0}
    assert all(len(one.seen["drawings"]) >= 14 for one in looks)
    assert all(one.seen["smallest"] >= 10 for one in looks), [(one.width, one.seen["smallest"]) for one in looks]


def test_the_dark_theme_has_colours_of_its_own_also_inside_the_charts(looks: list[Look]) -> None:
    light, dark = ([one for one in looks if one.theme == theme] for theme in THEMES)
    assert {one.seen["background"] for one in light}.isdisjoint(one.seen["background"] for one in dark)
    for one, other in zip(light, dark, strict=True):
        assert set(one.seen["colours"]).isdisjoint(other.seen["colours"])
        assert "rgb(0, 0, 0)" not in one.seen["colours"], "a variable that no theme sets"


def test_figures_tables_and_regions_are_named_for_those_who_hear_the_page(looks: list[Look]) -> None:
    assert {(one.seen["unnamed"], one.seen["bare"], str(one.seen["astray"])) for one in looks} == {(0, 0, "[]")}


def test_it_prints_on_white_paper_from_the_dark_theme_too(sights: Sights) -> None:
    assert sights.on_paper["background"] == "rgb(255, 255, 255)"
    assert sights.pdf.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", sights.pdf)) <= 12


@pytest.fixture(scope="module")
def page(page_file: Path) -> Page:
    return read_page(page_file.read_text("utf-8"))


@pytest.fixture
def costs(in_sample: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> Any:
    """`tollbook costs --json` by something."""
    assert in_sample

    def by(what: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert run(["costs", "--json", "--by", what]) == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return found

    return by


def test_every_amount_is_the_one_that_costs_has(page: Page, costs: Any) -> None:
    *flows, total = page.table("flows")
    assert [(row["flow"], row["amount"], row["lost"], row["in doubt"], row["saved"]) for row in flows] == [
        (row["flow"], row["amount"], row["loss"], row["in_doubt"], row["saved"]) for row in costs("flow")
    ]
    assert total["amount"] == page.by_id("spent").find("data").get("value")  # type: ignore[union-attr]
    days = {row["day"]: row["amount"] for row in costs("day")}
    assert {row["day"]: row["total"] for row in page.table("spending-1")} == {**days, "total": total["amount"]}
    assert [(row["month"], row["amount"]) for row in page.table("months")] == [
        (row["month"][:7], row["amount"]) for row in reversed(costs("month"))
    ]
    assert {row["dataset"]: row["amount"] for row in page.table("new-rows")} == {
        row["dataset"]: row["amount"] for row in costs("dataset")
    }


def test_losses_doubt_and_the_latest_purchases_are_told(page: Page) -> None:
    assert [(row["lost"], row["why"]) for row in page.table("losses")] == [
        ("0.02", "unusable: the body is a web page, not JSON"),
        ("0.02", "paid and never delivered"),
    ]
    newest = page.table("purchases")[0]
    assert (newest["dataset"], newest["state"], newest["transaction"]) == ("tm-grade", "in doubt", "–")


def test_gaps_of_every_token_are_counted(page: Page) -> None:
    tables = {page.by_id(f"coverage-{number}-title").text: number for number in (1, 2, 3)}
    rows = page.table(f"coverage-{tables['grades']}")
    assert len(rows) == 10
    assert {(row["missing"], row["confirmed empty"]) for row in rows} == {("4", "0")}


def publish_in(home: Mapping[str, str]) -> str:
    async def published() -> str:
        async with Workspace.open(home) as ws:
            return await publish_report(ws)

    return asyncio.run(published())


def test_the_costs_flow_keeps_the_page_beside_the_published_file(
    sample: Mapping[str, str], page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flow's own work, without a server: its artifacts are tested with the schedules."""
    shown: list[str] = []

    async def artifact(_ws: Workspace, by: str) -> None:
        shown.append(by)

    async def in_sample(work: Any) -> Any:
        async with Workspace.open(sample) as ws:
            return (await work(ws)).state

    monkeypatch.setattr(costs_flow, "cost_artifact", artifact)
    monkeypatch.setattr(costs_flow, "in_workspace", in_sample)
    index = Path(sample["TOLLBOOK_HOME"]) / "published" / "report" / "index.html"
    ended = asyncio.run(costs_flow.costs.fn())
    lost = "2 purchases were paid and brought nothing that can be used: 0.04 USDC"
    assert ended.message.startswith(f"{lost}; 1 purchase is in doubt: 0.02 USDC sent")
    assert ended.message.endswith(f"; costs by flow, dataset, month; report page: {index}")
    assert shown == ["flow", "dataset", "month"]
    assert read_page(index.read_text("utf-8")).table("flows") == page.table("flows")
    assert [each.name for each in index.parent.iterdir()] == ["index.html"], "no draft is left"


def test_a_worker_without_the_extra_says_so_and_costs_go_on(
    sample: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    assert publish_in(sample) == "no report page: the page can't be drawn: altair is missing; no money was sent"
