"""Rules that the parts of a dataset's declaration follow together; each names the key that breaks it, and the fix."""

from __future__ import annotations

from collections.abc import Sequence

from sources.declaration.table import StrictTable
from sources.model import DAY, EXTRAS, HOUR, Cast, Dataset, Kind, Layout

RESERVED_COLUMNS = frozenset(
    {
        *(EXTRAS.name, "observed_at", "purchase_id", "dataset", "row_hash", "seq"),
        *("is_final", "public_at", "value_at", "valid_from", "valid_to"),
    }
)
"""Columns that every table has beside its own."""

_OURS = (
    *("avoided", "costs", "cost_", "open_purchases", "provenance", "quality_", "loads", "quarantined", "drift"),
    *("ledger_", "row_keys", "publi"),
)
_BOOKKEEPING = ("meta", "rewinds", "declared", "scheduled", "watched", "coverage", "tollbook")
_ENDINGS = (
    *("_observations", "_newest", "_versions", "_current", "_as_of", "_known_at"),
    *("_first_seen", "_first_published"),
)


def check_dataset(dataset: Dataset, table: StrictTable) -> None:
    """Raise DeclarationFault where parts of a dataset contradict each other."""
    _check_names(dataset, table)
    _check_times(dataset, table)
    _check_request(dataset, table)
    _check_answer(dataset, table)


def _check_names(dataset: Dataset, table: StrictTable) -> None:
    names = [column.name for column in dataset.columns[:-1]]
    columns = table.table("columns", None)
    for name in names:
        if name in RESERVED_COLUMNS and columns is not None:
            raise columns.wrong(name, "is a column that every table has", f"call it {name}_of_seller, say")
    if dataset.table.startswith((*_OURS, *_BOOKKEEPING)) or dataset.table.endswith(_ENDINGS):
        raise table.wrong(
            "table", f"is {dataset.table!r}, a name that tollbook uses", "begin it with the seller's name"
        )
    for key, wanted in (
        ("natural_key", dataset.natural_key),
        ("time_column", (dataset.time_column,)),
        ("key_column", (dataset.key_column,) if dataset.key_column else ()),
    ):
        for name in wanted:
            if name not in names:
                raise table.wrong(key, f"names {name!r}, which is no column", f"columns are {', '.join(names)}")
    if len(set(dataset.natural_key)) < len(dataset.natural_key):
        raise table.wrong("natural_key", "names a column twice", "name each once")


def _check_times(dataset: Dataset, table: StrictTable) -> None:
    grain, cast = dataset.grain, {column.name: column.cast for column in dataset.columns}[dataset.time_column]
    if grain < HOUR or grain % HOUR or (DAY % grain if grain < DAY else grain % DAY):
        fix = 'write whole hours that divide a day ("hour", "6 hours"), or whole days ("day", "week")'
        raise table.wrong("grain", f"is {grain} seconds", fix)
    if cast not in (Cast.DATE, Cast.TIMESTAMP):
        raise table.wrong("time_column", f"is a column of {cast}", 'give it cast = "date" or "timestamp"')
    if cast is Cast.DATE and grain < DAY:
        raise table.wrong(
            "time_column", "is a date, and its slots are shorter than a day", 'give it cast = "timestamp"'
        )
    if dataset.kind is not Kind.SERIES:
        for key, there in (("window", dataset.window), ("since", dataset.since)):
            if there is not None:
                fix = 'write kind = "series", or leave it out: what is sold only as of now has no past'
                raise table.wrong(key, f"is declared for a {dataset.kind}", fix)
    if dataset.kind is Kind.SERIES and dataset.undated:
        raise table.wrong("undated", "is declared for a series", "a series' rows carry their own dates: leave it out")
    if dataset.kind is Kind.SERIES and dataset.window is None and dataset.paging is None:
        fix = "declare its window (the date parameters), or paging where older rows are on further pages"
        raise table.wrong("kind", "is series, and nothing asks for its past", fix)


def _check_request(dataset: Dataset, table: StrictTable) -> None:
    if (dataset.key_column is None) != (dataset.packing is None):
        missing = "key_column" if dataset.key_column is None else "packing"
        fix = "key_column names the column of the keys, packing the parameter that asks for them: declare both, or none"
        raise table.wrong(missing, "is missing", fix)
    if dataset.body is not None and dataset.method == "GET":
        raise table.wrong("body", "is declared for a GET", 'write method = "POST", or use params')
    if "?" in dataset.path or "#" in dataset.path:
        raise table.wrong("path", "has a query", "declare its parts as params")
    for column in dataset.columns:
        if not column.from_request:
            continue
        if column.name != dataset.key_column or dataset.packing is None or dataset.packing.ids != 1:
            fix = "only the key column can come from the request, and only where packing.ids = 1"
            raise table.wrong("columns", f"takes {column.name!r} from the request", fix)
    fixed = {*dataset.params, *(dataset.body or ())}
    for key, names in _written_parameters(dataset).items():
        if taken := next((name for name in names if name in fixed), None):
            raise table.wrong(key, f"writes {taken!r}, which is fixed, too", "leave it out of params and body")


def _written_parameters(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    written: dict[str, tuple[str, ...]] = {}
    if dataset.packing:
        written["packing"] = (dataset.packing.param,)
    if dataset.window:
        written["window"] = dataset.window.start_param, dataset.window.end_param
    if dataset.paging:
        written["paging"] = dataset.paging.page_param, dataset.paging.limit_param
    return written


def _check_answer(dataset: Dataset, table: StrictTable) -> None:
    if dataset.keyed_rows and dataset.layout is not Layout.ROWS:
        raise table.wrong("layout", "stands beside keyed_rows", "leave one of them out")
    spellings = {name for column in dataset.columns for name in column.names}
    if dataset.keyed_rows and dataset.keyed_rows not in spellings:
        fix = f"add it to the names of a column, or write one of {', '.join(sorted(spellings)[:8])}"
        raise table.wrong("keyed_rows", f"is {dataset.keyed_rows!r}, which no column reads", fix)
    dated = dataset.undated and dataset.time_column
    for column in dataset.columns[:-1]:
        if not column.names and not column.from_request and column.name != dated:
            raise table.wrong("columns", f"has {column.name!r}, which nothing fills", "give it names")


def check_table(dataset: Dataset, sharing: Sequence[Dataset], tables: StrictTable) -> None:
    """Raise DeclarationFault where datasets that share a table differ in its key or in a column's type."""
    casts: dict[str, Cast] = {}
    for other in sharing:
        for column in other.columns:
            if casts.setdefault(column.name, column.cast) is not column.cast:
                raise tables.wrong(
                    other.name,
                    f"has {column.name} as {column.cast}",
                    f"table {other.table} has it as {casts[column.name]}",
                )
        if other.natural_key != dataset.natural_key:
            what = f"has another natural_key than {dataset.name}, and both fill {dataset.table}"
            raise tables.wrong(other.name, what, "give them one key, or tables of their own")
