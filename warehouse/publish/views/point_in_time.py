"""Look-ups by time for back-tests: the macro `T_known_at('events')`, and views to take events from.

A row is known since it arrived (basis 'observed') or since the seller had published it (basis 'published').

The query has to hold for a million events over ten million observations. Joining each event with every earlier row of
its token makes pairs by the billion, and sorting every row by its time of arrival costs more than all else. Most
answers are of the event's own day: one hash join finds them. For the rest, the newest day known by then is searched in
the event's own stretch of days and, where nothing was known there, in the latest earlier stretch with anything known.
So an event meets the rows of two stretches at most, and one row for each stretch before. Steps with nothing left cost
nothing.
"""

from __future__ import annotations

from sources.registry import dataset
from warehouse.cache.sql import column_list
from warehouse.cache.tables import Table
from warehouse.publish.views.row_versions import current_fields


def utc(name: str) -> str:
    """A time in UTC as an SQL expression: a day, text or a time without a zone is not the session's."""
    return (
        f"CASE typeof({name}) WHEN 'TIMESTAMP WITH TIME ZONE' THEN {name}::TIMESTAMPTZ "
        f"ELSE {name}::TIMESTAMP AT TIME ZONE 'UTC' END"
    )


def is_dated(table: Table) -> bool:
    """True for a table with one row per key and time, so that one of them is the newest known."""
    declared = dataset(table.datasets[0])
    keyed = declared.key_column in table.natural_key and declared.time_column in table.natural_key
    return keyed and declared.rows_per_cell == 1


def statements(table: Table, only_here: str = "true") -> list[str]:
    """The statements that create views and macro of a dated table; none for another."""
    return [*_first(table), _known_at(table, only_here)] if is_dated(table) else []


def _first(table: Table) -> list[str]:
    """Each row as it was first told, as events: `first_seen` when it arrived, `first_published` when it was public."""

    def view(name: str, time: str) -> str:
        first = f"row_number() OVER (PARTITION BY {column_list(table.natural_key)} ORDER BY {time}, seq) = 1"
        rows = f"SELECT *, {time} AS at_time FROM {table.observations} QUALIFY {first}"
        return f"CREATE OR REPLACE VIEW {table.name}_{name} AS\n{rows}"

    return [view("first_seen", "observed_at"), view("first_published", "public_at")]


STRETCH = 24
"""Slots in a stretch. With longer ones an event meets more rows, with shorter ones more stretches."""


def _stretch(table: Table, time: str) -> str:
    """The number of a time's stretch, counted from 1970. Infinity has none: it counts as the year 9999."""
    declared = dataset(table.datasets[0])
    if dict(table.fields)[declared.time_column] == "DATE":
        return f"({time}::DATE - DATE '1970-01-01') // {STRETCH * max(1, declared.grain // 86_400)}"
    return (
        f"epoch_us(least({time}::TIMESTAMPTZ, TIMESTAMPTZ '9999-12-31 00:00:00Z')) // {STRETCH * declared.grain}000000"
    )


_WRONG_BASIS = "basis is ''observed'' (when rows arrived) or ''published'' (when the seller had published them), not "


def _known_at(table: Table, only_here: str) -> str:
    seen = "CASE basis WHEN 'published' THEN o.public_at ELSE o.observed_at END"
    valid = f"CASE WHEN basis IN ('observed', 'published') THEN true ELSE error('{_WRONG_BASIS}' || basis) END"
    column = table.time_column
    known, time = f"known_{column}", column_list([column])
    ids = [name for name in table.natural_key if name != column]
    key = column_list(ids)
    event = ", ".join(f'e."{name}"' for name in (*ids, column, "at_time"))
    carried = ", ".join(f'o."{name}"' for name, _ in current_fields(table) if name not in table.natural_key)
    answer = f"{event}, o.{time} AS {known}, {carried}"
    same_ids = [f'e."{name}" = o."{name}"' for name in ids]
    began = " AND ".join([*same_ids, "e.at_time >= o.seen_at"])
    arrived = " AND ".join([*same_ids, f"e.at_time >= {seen}"])
    newest = f"QUALIFY row_number() OVER (PARTITION BY {event} ORDER BY {seen} DESC, o.seq DESC) = 1"
    row_stretch = _stretch(table, f"o.{time}")
    inside = f"{arrived} AND e.stretch = {row_stretch} AND e.{time} > o.{time}"
    # Of joins by several columns DuckDB expects rows by the billion, and would then hold the observations in memory
    # instead of the events; by a number of their own (nth) it expects about as many as there are.
    return f"""
CREATE OR REPLACE MACRO {table.name}_known_at(events, basis := 'observed') AS TABLE
WITH event AS MATERIALIZED (
    SELECT {key}, {time}, {utc("at_time")} AS at_time FROM query_table(events) WHERE {only_here} AND {valid}),
same AS MATERIALIZED (
    SELECT {answer} FROM event e JOIN {table.observations} o ON {arrived} AND e.{time} = o.{time} {newest}),
rest AS MATERIALIZED (
    SELECT *, {_stretch(table, time)} AS stretch, row_number() OVER () AS nth
    FROM (SELECT DISTINCT * FROM event ANTI JOIN same USING ({key}, {time}, at_time))),
near AS MATERIALIZED (
    SELECT e.nth, max(o.{time}) AS {known} FROM rest e JOIN {table.observations} o ON {inside} GROUP BY e.nth),
far AS MATERIALIZED (FROM rest ANTI JOIN near USING (nth)),
began AS (
    SELECT {key}, {row_stretch} AS stretch, min({seen}) AS seen_at
    FROM {table.observations} o SEMI JOIN far USING ({key}) GROUP BY ALL),
latest AS (
    SELECT e.nth, max(o.stretch) AS stretch
    FROM far e JOIN began o ON {began} AND e.stretch > o.stretch GROUP BY e.nth),
there AS MATERIALIZED (SELECT far.* REPLACE (latest.stretch AS stretch) FROM far JOIN latest USING (nth)),
dated AS (
    FROM near UNION ALL
    SELECT e.nth, max(o.{time}) FROM there e JOIN {table.observations} o ON {inside} GROUP BY e.nth),
other AS MATERIALIZED (FROM rest JOIN dated USING (nth))
FROM same UNION ALL
SELECT {answer} FROM other e JOIN {table.observations} o ON {arrived} AND e.{known} = o.{time} {newest}"""
