"""What was known at the time of each of many events: `T_known_at('events')`, and `T_first_seen` to have events from.

The plan has to hold for a million events over ten million observations, where joining each event with every earlier row
of its token makes pairs by the billion, and putting every row in the order of arrival costs more than all else. Most
answers are of the event's own day: one hash join finds them. For the rest the nearest day that was known is searched in
the event's own stretch of days, and where nothing was known there, in the latest stretch before it of which something
was. So an event meets the rows of two stretches at most, and one for each stretch before; the steps that nothing is
left for cost nothing.
"""

from __future__ import annotations

from sources.registry import dataset
from warehouse.cache.sql import column_list
from warehouse.cache.tables import Table


def moment(name: str) -> str:
    """A time as SQL compares it: a day, text or a time without a zone is UTC, not the session's."""
    return (
        f"CASE typeof({name}) WHEN 'TIMESTAMP WITH TIME ZONE' THEN {name}::TIMESTAMPTZ "
        f"ELSE {name}::TIMESTAMP AT TIME ZONE 'UTC' END"
    )


def is_dated(own: Table) -> bool:
    """Whether a table has one row per key and time, so that one of them is the newest known."""
    declared = dataset(own.datasets[0])
    keyed = declared.key_column in own.natural_key and declared.time_column in own.natural_key
    return keyed and declared.rows_per_cell == 1


def statements(own: Table) -> list[str]:
    """Both, for a dated table; nothing for another."""
    return [_first_seen(own), _known_at(own)] if is_dated(own) else []


def _first_seen(own: Table) -> str:
    return f"""
CREATE OR REPLACE VIEW {own.name}_first_seen AS
SELECT *, observed_at AS at_time FROM {own.observations}
QUALIFY row_number() OVER (PARTITION BY {column_list(own.natural_key)} ORDER BY observed_at, seq) = 1"""


STRETCH = 24
"""Slots of a stretch. With longer ones an event meets more rows, with shorter ones more stretches."""


def _stretch(own: Table, time: str) -> str:
    """Which stretch a time lies in, counted from 1970. Infinity has no number: it lies in that of the year 9999."""
    declared = dataset(own.datasets[0])
    if dict(own.fields)[declared.time_column] == "DATE":
        return f"({time}::DATE - DATE '1970-01-01') // {STRETCH * max(1, declared.grain // 86_400)}"
    return (
        f"epoch_us(least({time}::TIMESTAMPTZ, TIMESTAMPTZ '9999-12-31 00:00:00Z')) // {STRETCH * declared.grain}000000"
    )


def _known_at(own: Table) -> str:
    column = dataset(own.datasets[0]).time_column
    known, time = f"known_{column}", column_list([column])
    ids = [name for name in own.natural_key if name != column]
    key = column_list(ids)
    event = ", ".join(f'e."{name}"' for name in (*ids, column, "at_time"))
    carried = ", ".join(f'o."{name}"' for name, _ in own.fields if name not in own.natural_key)
    found = f"{event}, o.{time} AS {known}, {carried}"
    seen = " AND ".join([*(f'e."{name}" = o."{name}"' for name in ids), "e.at_time >= o.observed_at"])
    newest = f"QUALIFY row_number() OVER (PARTITION BY {event} ORDER BY o.observed_at DESC, o.seq DESC) = 1"
    theirs = _stretch(own, f"o.{time}")
    inside = f"{seen} AND e.stretch = {theirs} AND e.{time} > o.{time}"
    # Of joins by several columns DuckDB expects rows by the billion, and would then hold the observations in memory
    # instead of the events; by a number of their own (nth) it expects about as many as there are.
    return f"""
CREATE OR REPLACE MACRO {own.name}_known_at(events) AS TABLE
WITH event AS MATERIALIZED (SELECT {key}, {time}, {moment("at_time")} AS at_time FROM query_table(events)),
same AS MATERIALIZED (
    SELECT {found} FROM event e JOIN {own.observations} o ON {seen} AND e.{time} = o.{time} {newest}),
rest AS MATERIALIZED (
    SELECT *, {_stretch(own, time)} AS stretch, row_number() OVER () AS nth
    FROM (SELECT DISTINCT * FROM event ANTI JOIN same USING ({key}, {time}, at_time))),
near AS MATERIALIZED (
    SELECT e.nth, max(o.{time}) AS {known} FROM rest e JOIN {own.observations} o ON {inside} GROUP BY e.nth),
far AS MATERIALIZED (FROM rest ANTI JOIN near USING (nth)),
began AS (
    SELECT {key}, {theirs} AS stretch, min(o.observed_at) AS observed_at
    FROM {own.observations} o SEMI JOIN far USING ({key}) GROUP BY ALL),
latest AS (
    SELECT e.nth, max(o.stretch) AS stretch FROM far e JOIN began o ON {seen} AND e.stretch > o.stretch GROUP BY e.nth),
there AS MATERIALIZED (SELECT far.* REPLACE (latest.stretch AS stretch) FROM far JOIN latest USING (nth)),
dated AS (
    FROM near UNION ALL
    SELECT e.nth, max(o.{time}) FROM there e JOIN {own.observations} o ON {inside} GROUP BY e.nth),
other AS MATERIALIZED (FROM rest JOIN dated USING (nth))
FROM same UNION ALL
SELECT {found} FROM other e JOIN {own.observations} o ON {seen} AND e.{known} = o.{time} {newest}"""
