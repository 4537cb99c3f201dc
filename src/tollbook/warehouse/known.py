"""What was known at the time of each of many events: `T_known_at('events')`, and `T_first_seen` to have events from.

The plan has to hold for a million events over ten million observations, where joining each event with every earlier row
of its token makes pairs by the billion. Most answers are the newest row of all that had arrived; those rows, put in the
order of arrival, are found by one ASOF join. Where that row is of a later day than the event (both were bought long
after), the nearest day is found by a second one, and only where that day arrived after the event are rows compared one
by one. The steps that nothing is left for cost nothing.
"""

from __future__ import annotations

from tollbook.sources.registry import dataset
from tollbook.warehouse.schema import Table, quoted


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
QUALIFY row_number() OVER (PARTITION BY {quoted(own.natural_key)} ORDER BY observed_at, seq) = 1"""


def _known_at(own: Table) -> str:
    column = dataset(own.datasets[0]).time_column
    known, time = f"known_{column}", quoted([column])
    ids = [name for name in own.natural_key if name != column]
    key = quoted(ids)
    event = ", ".join(f'e."{name}"' for name in (*ids, column, "at_time"))
    carried = ", ".join(f'o."{name}"' for name, _ in own.fields if name not in own.natural_key)
    found = f"{event}, o.{time} AS {known}, {carried}"
    same = " AND ".join(f'e."{name}" = o."{name}"' for name in ids)
    return f"""
CREATE OR REPLACE MACRO {own.name}_known_at(events) AS TABLE
WITH event AS MATERIALIZED (SELECT DISTINCT {key}, {time}, {moment("at_time")} AS at_time FROM query_table(events)),
newest AS (
    SELECT * FROM {own.observations}
    WINDOW arrival AS (PARTITION BY {key} ORDER BY observed_at, {time}, seq)
    QUALIFY {time} >= max({time}) OVER arrival AND lead(observed_at) OVER arrival IS DISTINCT FROM observed_at),
live AS MATERIALIZED (SELECT {found} FROM event e ASOF JOIN newest o ON {same} AND e.at_time >= o.observed_at),
late AS MATERIALIZED (SELECT {key}, {time}, at_time FROM live WHERE {known} > {time}),
past AS (SELECT * FROM {own.observations} SEMI JOIN late USING ({key})),
seen AS (SELECT {key}, {time}, min(observed_at) AS observed_at FROM past GROUP BY ALL),
nearest AS MATERIALIZED (
    SELECT e.*, o.{time} AS {known}, o.observed_at
    FROM late e ASOF JOIN seen o ON {same} AND e.{time} >= o.{time})
SELECT * FROM live WHERE {known} <= {time}
UNION ALL
SELECT {found} FROM (FROM nearest WHERE observed_at <= at_time) e
ASOF JOIN past o ON {same} AND e.{known} = o.{time} AND e.at_time >= o.observed_at
UNION ALL
SELECT {found} FROM (FROM nearest WHERE observed_at > at_time) e
JOIN past o ON {same} AND e.at_time >= o.observed_at AND e.{known} > o.{time}
QUALIFY row_number() OVER (PARTITION BY {event} ORDER BY o.{time} DESC, o.observed_at DESC, o.seq DESC) = 1"""
