"""Sellers in TOML files: everything the model can say, and nothing that contradicts itself."""

from __future__ import annotations

import pickle
import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import registry
from sources.declaration.read import Declaration, parse_declaration, read_declaration
from sources.declaration.table import DeclarationFault, line_of
from sources.declaration.write import sketch, value_text, write_declaration
from sources.model import DAY, HOUR, Dataset, Evidence, Feed, Kind, Layout, Paging, Seller, Since
from sources.registry import FEEDS
from warehouse.cache.tables import declared_tables
from warehouse.coverage.page import declared
from warehouse.load.parallel import serve

LEVELS = """\
base_url = "https://api.tidewatch.example"
headers = { x-plan = "free" }

[datasets.tide-levels]
table = "tide_levels"
kind = "series"
path = "/v1/levels"
packing = { param = "stations", ids = 5 }
window = { start_param = "from", end_param = "to", days = 31 }
paging = { rows = 50, limit_param = "size" }
grain = "day"
settle = "12 hours"
natural_key = ["station", "date"]
key_column = "station"
time_column = "date"
rows_path = ["levels"]

[datasets.tide-levels.columns]
station = { cast = "text" }
date = { cast = "date", names = ["day"] }
high_water = { cast = "float", names = ["High-Water"] }
"""


@pytest.fixture(autouse=True)
def _only_shipped_sellers() -> Iterator[None]:
    yield
    registry.declare([])


def levels(*changes: tuple[str, str]) -> Declaration:
    text = LEVELS
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return parse_declaration(text, "tidewatch")


@pytest.mark.parametrize("seller", registry.SHIPPED, ids=lambda seller: seller.name)
def test_a_shipped_seller_written_as_toml_is_read_as_the_same_model(seller: Seller) -> None:
    feeds = tuple(feed for feed in FEEDS.values() if registry.dataset(feed.datasets[0]).seller == seller.name)
    found = parse_declaration(write_declaration(seller, feeds), seller.name)
    assert found.seller == seller
    assert found.feeds == feeds


@pytest.mark.parametrize("dataset", registry.datasets(), ids=lambda dataset: dataset.name)
def test_a_dataset_written_as_toml_is_read_as_the_same_model(dataset: Dataset) -> None:
    alone = replace(dataset, seller="own", repaired_by=None, doc='say "x" \\ ü \t \u2028 é', table="own_rows")
    seller = Seller("own", "https://own.example/v1", {"x-a": "1"}, (alone,), "x-token", 7, "its doc")
    assert parse_declaration(write_declaration(seller), "own").seller == seller


def test_what_no_shipped_seller_says_can_be_said_too() -> None:
    base = registry.dataset("trading-signals")
    said = replace(
        base,
        seller="own",
        table="own_rows",
        method="POST",
        body={"limit": 10, "cursor": None, "deep": {"a": [1, 2.5, "x", True]}},
        success={"ok": True, "error": None},
        layout=Layout.COLUMNS,
        rows_per_cell=7,
        grain=3 * DAY,
        settle=90,
        publishing_delay=5 * HOUR,
        since=Since(date(2020, 2, 29), Evidence.DOCUMENTED),
        paging=Paging(rows=5, page_param="p", limit_param="n", first=0, depth=3, newest_first=True),
    )
    seller = Seller("own", "https://own.example", {}, (said,))
    assert parse_declaration(write_declaration(seller), "own").seller == seller


def test_a_file_is_read_into_the_model() -> None:
    dataset = levels().seller.datasets[0]
    assert (dataset.kind, dataset.grain, dataset.settle, dataset.max_price) == (Kind.SERIES, DAY, 12 * HOUR, "0.10")
    assert [column.names for column in dataset.columns] == [("station",), ("day",), ("High-Water",), ()]
    assert levels().seller.headers == {"x-plan": "free"}


FAULTS = [
    ('kind = "series"', 'kind = "serie"', 6, 'allowed is "series", "snapshot", "reference"'),
    ('path = "/v1', 'pat = "/v1', 7, "did you mean path?"),
    ('path = "/v1/levels"', 'path = "/v1/levels?x=1"', 7, "declare its parts as params"),
    ('path = "/v1/levels"', "path = 7", 7, "write text such as"),
    ("ids = 5", 'ids = "5"', 8, "whole number from 1"),
    ("ids = 5", "ids = 0", 8, "whole number from 1"),
    (", days = 31", "", 9, "add it"),
    ('grain = "day"', 'grain = "5 hours"', 11, "whole hours that divide a day"),
    ('grain = "day"', 'grain = "hour"', 15, 'cast = "timestamp"'),
    ('grain = "day"', 'grain = "daily"', 11, "write seconds, or text such as"),
    ('grain = "day"\n', "", 4, "add it, such as grain ="),
    ('settle = "12 hours"', "settle = -1", 12, "write seconds"),
    ('natural_key = ["station", "date"]', 'natural_key = ["station", "day"]', 13, "columns are station, date"),
    ('natural_key = ["station", "date"]', "natural_key = []", 13, "list of texts"),
    ('key_column = "station"\n', "", 4, "declare both, or none"),
    ('time_column = "date"', 'time_column = "high_water"', 15, 'cast = "date" or "timestamp"'),
    ('rows_path = ["levels"]', 'rows_path = "levels"', 16, "list of texts"),
    ('rows_path = ["levels"]', 'keyed_rows = "nobody"', 16, "add it to the names of a column"),
    ('rows_path = ["levels"]', "max_price = 0.05", 16, 'write text such as "0.05"'),
    ('rows_path = ["levels"]', "undated = true", 16, "rows carry their own dates"),
    ('rows_path = ["levels"]', 'params = { from = "x" }', 9, "leave it out of params and body"),
    ('rows_path = ["levels"]', "body = { limit = 1 }", 16, 'write method = "POST"'),
    ('rows_path = ["levels"]', "body = '{'", 16, "one JSON object as text"),
    ('rows_path = ["levels"]', 'layout = "row"\nkeyed_rows = "day"', 16, "leave one of them out"),
    ('rows_path = ["levels"]', 'since = { day = "2020-01-01" }', 16, "write a date without quotes"),
    ('rows_path = ["levels"]', "repaired_by = 7", 16, "write text"),
    ('table = "tide_levels"', 'table = "Tide Levels"', 5, "write text such as"),
    ('table = "tide_levels"', 'table = "_batch"', 5, "write text such as"),
    ('table = "tide_levels"', 'table = "quality_levels"', 5, "begin it with the seller's name"),
    ('table = "tide_levels"', 'table = "tide_versions"', 5, "begin it with the seller's name"),
    ('high_water = { cast = "float"', 'high_water = { cast = "double"', 21, "allowed is"),
    ('high_water = { cast = "float"', 'high_water = { type = "float"', 21, "known here: cast"),
    ("high_water = {", "High-Water = {", 21, "write small letters"),
    ("high_water = {", "observed_at = {", 21, "call it observed_at_of_seller"),
    ('names = ["High-Water"]', "names = []", 18, "give it names"),
    ('names = ["High-Water"]', "from_request = true", 18, "only the key column"),
    ('names = ["High-Water"]', 'names = ["x"], from_request = true', 21, "leave one of them out"),
    ("[datasets.tide-levels]", "[datasets.Tide_Levels]", 4, "write small letters"),
    ("[datasets.tide-levels.columns]", "[datasets.tide-levels.column]", 18, "did you mean columns?"),
    ('base_url = "https://api.tidewatch.example"', 'base_url = "api.tidewatch"', 1, "write text such as"),
    (
        'base_url = "https://api.tidewatch.example"',
        'feeds.tides = { datasets = ["x"] }',
        1,
        "declared here: tide-levels",
    ),
    ("headers = {", "header = {", 2, "did you mean headers?"),
    ('headers = { x-plan = "free" }', "headers = { x-plan = 1 }", 2, "write a table of texts"),
    ("headers = {", "headers = [", 2, "correct that line"),
    ('base_url = "https://api.tidewatch.example"', 'base_url = "a"\nbase_url = "b"', 2, "correct that line"),
]


@pytest.mark.parametrize(("before", "after", "line", "fix"), FAULTS)
def test_a_fault_names_its_line_and_what_to_write_instead(before: str, after: str, line: int, fix: str) -> None:
    with pytest.raises(DeclarationFault) as found:
        levels((before, after))
    assert fix in found.value.fix
    assert found.value.line == line
    assert found.value.what


@pytest.mark.parametrize("kind", ["snapshot", "reference"])
def test_what_is_sold_only_as_of_now_has_no_window(kind: str) -> None:
    with pytest.raises(DeclarationFault, match="what is sold only as of now has no past") as found:
        levels(('kind = "series"', f'kind = "{kind}"'))
    assert found.value.line == 9


def test_a_file_without_datasets_that_is_missing_or_no_text_is_a_fault(tmp_path: Path) -> None:
    for content, what in ((b"", "names nothing"), (b"\n\n\xff", "not UTF-8"), (None, "can't be read")):
        path = tmp_path / "x.toml"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DeclarationFault, match=what) as found:
            read_declaration(path, "x")
        assert found.value.file == str(path)
        assert found.value.line == (3 if content else 0)


def test_datasets_of_one_table_agree_in_key_and_types() -> None:
    two = LEVELS + LEVELS[LEVELS.index("[datasets") :].replace("tide-levels", "tide-again")
    assert len(parse_declaration(two, "x").seller.datasets) == 2
    for before, after in (('["station", "date"]', '["date"]'), ('{ cast = "float"', '{ cast = "text"')):
        start = two.rindex(before)
        with pytest.raises(DeclarationFault):
            parse_declaration(two[:start] + after + two[start + len(before) :], "x")


def test_lines_are_found_in_every_form_of_toml() -> None:
    text = (
        '# "a" = 1\na.b = 1 # c = 2\n"q.r" = """\nx = 1\n"""\n[t]\nl = [\n  1, # 2\n  { k = "]" },\n]\n'
        "[[u]]\nv = '#'\n[[u]]\nv = 2\n[u.w]\nx = 1979-05-27\n"
    )
    tomllib.loads(text)
    assert [line_of(text, path) for path in (("a", "b"), ("q.r",), ("t",), ("t", "l"))] == [2, 3, 6, 7]
    assert [line_of(text, path) for path in (("u",), ("u", "w"), ("u", "w", "x"), ("v",))] == [11, 15, 16, 0]


values = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**60), 2**60), st.text(max_size=8), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6), values, max_size=4))
def test_what_is_written_is_toml_and_every_key_has_a_line(document: dict[str, Any]) -> None:
    text = "".join(f"{value_text({key: value})[2:-2]}\n" for key, value in document.items())
    assert tomllib.loads(text) == document
    assert [line_of(text, (key,)) for key in document] == list(range(1, len(document) + 1))


def test_a_declared_seller_is_found_by_every_name_until_it_is_no_longer_declared() -> None:
    found = levels(('base_url = "https://api.tidewatch.example"', 'feeds.tides = { datasets = ["tide-levels"] }'))
    registry.declare([found])
    assert registry.seller("tidewatch").datasets == (registry.dataset("tide-levels"),)
    assert registry.resolve("tides") == Feed("tides", ("tide-levels",)) == registry.feeds()["tides"]
    assert declared_tables()["tide_levels"].natural_key == ("station", "date")
    assert declared("tide-levels") is not None
    registry.declare([])
    assert "tide_levels" not in declared_tables()
    assert declared("tide-levels") is None
    with pytest.raises(registry.UnknownName):
        registry.resolve("tides")


def test_a_file_takes_the_place_of_a_shipped_seller_of_its_name() -> None:
    shipped = registry.seller("glassnode")
    cheaper = replace(shipped, datasets=(replace(shipped.datasets[0], max_price="0.01"),))
    registry.declare([parse_declaration(write_declaration(cheaper), "glassnode")])
    assert registry.dataset("glassnode-price-close").max_price == "0.01"
    assert [seller.name for seller in registry.sellers()].count("glassnode") == 1


CLASHES = [
    (("[datasets.tide-levels]", "[datasets.price]"), ("[datasets.tide-levels.columns]", "[datasets.price.columns]"), 4),
    (('table = "tide_levels"', 'table = "grades"'), ("x-plan", "x-plan"), 5),
    (('rows_path = ["levels"]', 'repaired_by = "tm-grade-history"'), ("x-plan", "x-plan"), 16),
    (('rows_path = ["levels"]', 'repaired_by = "tide-levels"'), ("x-plan", "x-plan"), 16),
    (('base_url = "https://api.tidewatch.example"', 'feeds.grades = { datasets = ["tide-levels"] }'), ("x-", "x-"), 1),
]


@pytest.mark.parametrize(("one", "other", "line"), CLASHES)
def test_a_name_that_is_somebody_elses_is_refused_and_nothing_changes(
    one: tuple[str, str], other: tuple[str, str], line: int
) -> None:
    registry.declare([levels()])
    with pytest.raises(DeclarationFault) as found:
        registry.declare([levels(one, other)])
    assert found.value.line == line
    assert registry.declared() == (levels(),)


def test_two_files_may_not_declare_one_dataset() -> None:
    with pytest.raises(DeclarationFault, match="also a dataset of tidewatch"):
        registry.declare([levels(), parse_declaration(LEVELS, "other")])


def test_a_process_that_reads_bodies_is_told_of_declared_sellers() -> None:
    registry.declare([levels()])
    sent = pickle.dumps(registry.declared())
    registry.declare([])
    serve(BytesIO(sent), BytesIO())
    assert registry.dataset("tide-levels").seller == "tidewatch"


@pytest.mark.parametrize(
    ("method", "body", "headers"), [("GET", "", {}), ("POST", '{"q": null}', {"x-a": "b", "content-type": "x"})]
)
def test_a_sketch_is_a_declaration(method: str, body: str, headers: dict[str, str]) -> None:
    text = sketch("tidewatch", method, "/v1/levels", [("stations", "HAM")], body, headers, "0.01")
    dataset = parse_declaration(text, "tidewatch").seller.datasets[0]
    assert (dataset.method, dataset.path, dataset.params) == (method, "/v1/levels", {"stations": "HAM"})
    assert dataset.body == ({"q": None} if body else None)


def test_every_field_of_the_model_can_be_written_in_a_file() -> None:
    """A field that is new to the model is read by the type of its default; one that is not fails here."""
    base = registry.dataset("trading-signals")
    read = {"name", "seller", "table", "kind", "path", "grain", "natural_key", "time_column", "columns", "key_column"}
    read |= {"settle", "patience", "lookback", "since", "rows_per_cell", "method", "params", "body", "window", "paging"}
    read |= {"packing", "rows_path", "success", "max_price", "repaired_by", "publishing_delay"}
    for each in fields(Dataset):
        if each.name not in read:
            other = {bool: True, int: 7, str: "day"}.get(type(each.default)) or list(type(each.default))[-1]
            said = replace(base, seller="own", table="own_rows", paging=base.paging, **{each.name: other})
            if not said.keyed_rows and not said.undated:
                seller = Seller("own", "", {}, (said,))
                assert parse_declaration(write_declaration(seller), "own").seller == seller, each.name
