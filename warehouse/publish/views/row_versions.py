"""Every version of a table's rows, as a query of the open cache: since when and until when each of them held.

A version is an observation with `valid_from`, `valid_to` (null for the current one; a version that was replaced at the
instant it arrived has both equal), `is_final` by the declared settling rule, and `public_at`: when the row was public
by the declared publishing delay. A table whose snapshots stand apart has `value_at`, the time that its values are of.

A history's newest days are shown provisionally as their snapshots have them: from the snapshot's arrival until the
history of the same key has that day or a later one.
"""

from __future__ import annotations

from collections.abc import Callable

from sources.model import EVERYTHING, Dataset, Kind
from sources.registry import dataset
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import Table, declared_tables

Fields = tuple[tuple[str, str], ...]
"""Names and SQL types of columns."""

VALIDITY: Fields = (("valid_from", "TIMESTAMPTZ"), ("valid_to", "TIMESTAMPTZ"))


def name_of(table: Table) -> str:
    return f"{table.name}_versions"


def current_fields(table: Table) -> Fields:
    """Columns of the published table of current rows."""
    derived: Fields = (("is_final", "BOOLEAN"), ("public_at", "TIMESTAMPTZ"))
    return (*table.fields, *derived, *((("value_at", "TIMESTAMPTZ"),) if table.twin else ()))


def version_fields(table: Table) -> Fields:
    return (*current_fields(table), *VALIDITY)


def query(table: Table, observations: str, snapshots: str, *, few: bool) -> str:
    """The versions that these observations make, in the columns of `version_fields`.

    `observations` names a relation with all observations of the keys in question, `snapshots` the same of a history's
    snapshots. `few`: sorting all of them costs less than looking for those that need it.
    """
    own = _own(table, observations, few=few)
    return f"{own}\nUNION ALL BY NAME\n{_provisional(table, snapshots)}" if table.is_history and table.twin else own


def time_of(table: Table) -> str:
    return quoted(table.time_column)


def ids_of(table: Table) -> list[str]:
    return [name for name in table.natural_key if name != table.time_column]


def same_key(table: Table, one: str, other: str) -> str:
    """The condition that two relations have the same natural key; null equals null."""
    names = map(quoted, table.natural_key)
    return " AND ".join(f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in names)


def provisional_datasets(table: Table) -> str:
    """The names of the datasets whose rows a history shows provisionally, as a list in SQL."""
    twin = declared_tables()[table.twin] if table.is_history and table.twin else None
    return f"({', '.join(literal(name) for name in twin.datasets)})" if twin else "('')"


def _own(table: Table, observations: str, *, few: bool) -> str:
    """The versions of the table's own observations. Of many, only keys with several are sorted: most have one."""
    key = column_list(table.natural_key)
    value = f", {_value_at(table)} AS value_at" if table.twin else ""
    again = settled(table, f"(FROM {observations} o WHERE NOT {_is_final(table)})", key, "o.seq")
    superseded = f"SELECT DISTINCT {key} FROM {observations} ANTI JOIN {quoted(table.newest)} USING ({key}, seq)"
    repeated = "" if few else f" SEMI JOIN ({superseded}) repeated USING ({key})"
    return f"""
SELECT o.*, {_is_final(table)} OR (e.valid_to IS NULL AND again.seq IS NOT NULL) AS is_final,
       CASE WHEN coalesce(e.is_first, true) THEN {_public_at(table)} ELSE o.observed_at END AS public_at{value},
       o.observed_at AS valid_from, e.valid_to
FROM {observations} o LEFT JOIN (
    SELECT {key}, seq, lead(observed_at) OVER (PARTITION BY {key} ORDER BY observed_at, seq) AS valid_to,
           row_number() OVER (PARTITION BY {key}, is_final ORDER BY observed_at, seq) = 1 AS is_first
    FROM (SELECT {key}, o.seq, o.observed_at, {_is_final(table)} AS is_final FROM {observations} o){repeated}
) e USING ({key}, seq) LEFT JOIN ({again}) again USING ({key}, seq)"""


def settled(table: Table, rows: str, *columns: str) -> str:
    """These columns of the rows, named `o`, whose cells are held for good.

    What is seen again once it has settled, and says the same, is no new observation; the cache's coverage knows of it.
    """
    series = [each for each in map(dataset, table.datasets) if each.kind is Kind.SERIES]
    chosen = ", ".join(columns)
    if not series:
        return f"SELECT {chosen} FROM {rows} o WHERE false"
    cell = _by_dataset(table, lambda each: f"floor(epoch(o.{quoted(each.time_column)}) / {each.grain})::BIGINT", "0")
    key = f"o.{quoted(series[0].key_column)}::VARCHAR" if series[0].key_column else literal(EVERYTHING)
    held = f"c.dataset = o.dataset AND c.key = {key} AND {cell} BETWEEN c.first AND c.last"
    return f"SELECT {chosen} FROM {rows} o SEMI JOIN (FROM coverage WHERE settled) c ON {held}"


def _provisional(table: Table, snapshots: str) -> str:
    """The versions that a history shows of its snapshots, until it has the same day or a later one."""
    twin = declared_tables()[str(table.twin)]
    shared = [name for name, _ in table.fields if name in dict(twin.fields)]
    ids, time, key = column_list(ids_of(table)), time_of(table), column_list(table.natural_key)
    same = " AND ".join(f"s.{quoted(name)} = h.{quoted(name)}" for name in ids_of(table))
    return f"""
SELECT {", ".join(f"s.{quoted(name)}" for name in shared)}, false AS is_final, s.observed_at AS public_at,
       s.observed_at AS value_at, s.observed_at AS valid_from, least(s.replaced_at, h.arrived_at) AS valid_to
FROM (SELECT *, lead(observed_at) OVER (PARTITION BY {key} ORDER BY observed_at, seq) AS replaced_at
      FROM {snapshots}) s
ASOF LEFT JOIN (
    SELECT {ids}, {time}, min(min(observed_at)) OVER (PARTITION BY {ids} ORDER BY {time} DESC) AS arrived_at
    FROM {quoted(table.observations)} WHERE {time} >= (SELECT min({time}) FROM {snapshots}) GROUP BY {ids}, {time}
) h ON {same} AND s.{time} <= h.{time}
WHERE h.arrived_at IS NULL OR h.arrived_at > s.observed_at"""


def _is_final(table: Table) -> str:
    """A series' row has settled once observed `settle` after its slot's end; any other row is what was seen then."""
    return _by_dataset(table, lambda each: f"o.observed_at >= {_after_slot(each, each.settle)}", "true")


def _public_at(table: Table) -> str:
    """The time when the seller had published the first final version of a key; others are known since they arrived."""

    def of_series(each: Dataset) -> str:
        published = f"least(o.observed_at, {_after_slot(each, each.published_after)})"
        return f"CASE WHEN o.observed_at >= {_after_slot(each, each.settle)} THEN {published} ELSE o.observed_at END"

    return _by_dataset(table, of_series, "o.observed_at")


def _value_at(table: Table) -> str:
    """A series has the value of its slot's end, or of the time when it was seen before that."""
    return _by_dataset(table, lambda each: f"least(o.observed_at, {_after_slot(each, 0)})", "o.observed_at")


def _by_dataset(table: Table, of_series: Callable[[Dataset], str], otherwise: str) -> str:
    cases = {each.name: of_series(each) for each in map(dataset, table.datasets) if each.kind is Kind.SERIES}
    if len(set(cases.values())) == 1 and len(cases) == len(table.datasets):
        return next(iter(cases.values()))
    if not cases:
        return otherwise
    whens = " ".join(f"WHEN {literal(name)} THEN {expression}" for name, expression in cases.items())
    return f"CASE o.dataset {whens} ELSE {otherwise} END"


def _after_slot(each: Dataset, seconds: int) -> str:
    """The time so many seconds after the end of a row's slot."""
    end = f"(floor(epoch(o.{quoted(each.time_column)}) / {each.grain}) + 1) * {each.grain}"
    return f"to_timestamp({end} + {seconds})"
