-- Facts on quality, as queries of the open cache. Publishing puts them into tables of the same names.

CREATE TEMP VIEW quality_datasets AS
SELECT dataset, table_name, kind, to_seconds(grain) AS cadence, repaired_by FROM declared ORDER BY dataset;

-- Spans per dataset and key: with a row, confirmed empty, or asked for in vain. A snapshot and its history twin hold
-- days for each other (`own` false). `absent_cells` is made in warehouse/coverage/held.py.
CREATE TEMP VIEW held_spans AS
WITH spans AS (SELECT dataset, key, "first", "last" FROM coverage
               UNION ALL SELECT dataset, key, "first", "last" FROM coverage_open),
pairs AS (SELECT s.dataset AS snapshot, h.dataset AS history
          FROM declared s JOIN declared h ON h.dataset = s.repaired_by AND h.grain = s.grain),
twins AS (SELECT snapshot AS dataset, history AS twin FROM pairs UNION ALL SELECT history, snapshot FROM pairs)
SELECT dataset, key, "first", "last", true AS own, true AS with_row FROM spans
UNION ALL
SELECT t.dataset, s.key, s."first", s."last", false, true FROM spans s JOIN twins t ON s.dataset = t.twin
UNION ALL
SELECT dataset, key, "first", "last", true, false FROM absent_cells;

-- What is held of each key, and when the next slot is expected: where a schedule is known, an hour after it first fires
-- with that slot for sale, else by the dataset's own cadence. `watched`: the schedule requests this key. `unconfirmed`
-- are slots that were asked for, not delivered, and can still be bought; `ended`: no more rows of the key are expected.
CREATE TEMP VIEW quality_held AS
WITH held AS (
    SELECT dataset, key, min("first") FILTER (own AND with_row) AS oldest, max("last") FILTER (with_row) AS newest
    FROM held_spans GROUP BY dataset, key HAVING bool_or(own)),
lacking AS (
    SELECT a.dataset, key, bool_or(ended) AS ended,
           sum("last" - "first" + 1) FILTER (state = 'confirmed empty')::BIGINT AS confirmed_empty,
           sum("last" - "first" + 1) FILTER (state IN ('unconfirmed', 'failed') AND NOT before_first_row AND
               (d.kind = 'series' OR h.dataset IS NOT NULL))::BIGINT AS unconfirmed
    FROM absent_cells a JOIN declared d USING (dataset)
         LEFT JOIN declared h ON h.dataset = d.repaired_by AND h.kind = 'series' AND h.grain = d.grain
    GROUP BY a.dataset, key),
due AS (
    SELECT dataset, key, w.dataset IS NOT NULL AS named, to_timestamp(oldest * d.grain) AS oldest_slot,
           to_timestamp(newest * d.grain) AS newest_slot,
           to_timestamp((newest + 1) * d.grain + d.due) AS due_at,
           to_timestamp((newest + 1) * d.grain + d.for_sale) AS for_sale_at
    FROM held FULL JOIN watched w USING (dataset, key) JOIN declared d USING (dataset)
    WHERE dataset IN (SELECT dataset FROM loads)),
fired AS (
    SELECT dataset, for_sale_at, min(fires_at) AS fires_at
    FROM (SELECT DISTINCT dataset, for_sale_at FROM due) n JOIN scheduled s USING (dataset)
    WHERE s.fires_at >= n.for_sale_at GROUP BY dataset, for_sale_at)
SELECT dataset, key, CASE WHEN dataset IN (SELECT dataset FROM watched) THEN named END AS watched,
       oldest_slot, newest_slot, due_at,
       CASE WHEN fired.fires_at IS NULL THEN 'cadence' ELSE 'schedule' END AS judged_by,
       coalesce(fired.fires_at + INTERVAL 1 HOUR, due_at) AS expected_at,
       coalesce(unconfirmed, 0) AS unconfirmed, coalesce(confirmed_empty, 0) AS confirmed_empty,
       coalesce(ended, false) AS ended
FROM due LEFT JOIN fired USING (dataset, for_sale_at) LEFT JOIN lacking USING (dataset, key)
ORDER BY dataset, key;

-- Slots without a row. Between a key's oldest and newest held one: those that were never asked for. Anywhere: those
-- that were asked for and not delivered, by this dataset or its history twin, until they are confirmed empty. Those of
-- a snapshot without a twin can't be bought any more.
CREATE TEMP VIEW quality_gaps AS
WITH spans AS (
    SELECT dataset, key, "first", max("last") OVER before AS until
    FROM held_spans
    WINDOW before AS (
        PARTITION BY dataset, key ORDER BY "first", "last" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
own AS (SELECT dataset, key, min("first") AS oldest, max("last") AS newest
        FROM held_spans WHERE own AND with_row GROUP BY ALL),
missing AS (
    SELECT dataset, key, until + 1 AS "first", "first" - 1 AS "last", 'never asked' AS state, 0 AS asked,
           NULL::TIMESTAMPTZ AS last_asked_at, NULL::TIMESTAMPTZ AS asked_again_at, false AS before_first_row
    FROM spans JOIN own USING (dataset, key)
    WHERE "first" > until + 1 AND until >= oldest AND "first" <= newest
    UNION ALL
    SELECT dataset, key, "first", "last", state, asked, last_asked_at, asked_again_at, before_first_row
    FROM absent_cells WHERE state IN ('unconfirmed', 'failed'))
SELECT dataset, d.table_name, key, to_timestamp("first" * d.grain) AS first_slot,
       to_timestamp("last" * d.grain) AS last_slot, "last" - "first" + 1 AS slots,
       d.kind = 'series' OR h.dataset IS NOT NULL AS can_be_bought,
       state, asked, last_asked_at, asked_again_at, before_first_row
FROM missing JOIN declared d USING (dataset)
     LEFT JOIN declared h ON h.dataset = d.repaired_by AND h.kind = 'series' AND h.grain = d.grain
ORDER BY dataset, key, first_slot;

-- Slots of which enough answers agree that there is no row: no gaps.
CREATE TEMP VIEW quality_confirmed_empty AS
SELECT dataset, d.table_name, key, to_timestamp("first" * d.grain) AS first_slot,
       to_timestamp("last" * d.grain) AS last_slot, "last" - "first" + 1 AS slots, asked, last_asked_at,
       before_first_row, ended
FROM absent_cells JOIN declared d USING (dataset)
WHERE state = 'confirmed empty'
ORDER BY dataset, key, first_slot;

-- Rows that repeated what was known, and rows that a body held twice with different values.
CREATE TEMP VIEW quality_duplicates AS
WITH conflicting AS (
    SELECT dataset, count(*) AS rows FROM quarantined WHERE contains(reason, 'a second row of the same key')
    GROUP BY dataset)
SELECT dataset, sum(rows_in)::BIGINT AS rows_in,
       sum(rows_in - rows_new - rows_changed - rows_quarantined)::BIGINT AS rows_unchanged,
       coalesce(any_value(conflicting.rows), 0) AS rows_conflicting
FROM loads LEFT JOIN conflicting USING (dataset)
GROUP BY dataset
ORDER BY dataset;

-- Rows that could not be read, by reason. The reason's value is cut off, so that similar cases count together.
CREATE TEMP VIEW quality_quarantined AS
SELECT dataset,
       CASE WHEN contains(reason, 'a second row of the same key') THEN 'a second row of the same key with other values'
            ELSE regexp_replace(reason, '^([^:]*: [^:]*): .*$', '\1', 's') END AS reason,
       count(*) AS rows, count(DISTINCT purchase_id) AS purchases, min(observed_at) AS first_seen,
       max(observed_at) AS last_seen, arg_min(left(quarantined.reason, 300), observed_at) AS example,
       arg_min(left(raw, 300), observed_at) AS example_raw
FROM quarantined
GROUP BY 1, 2
ORDER BY dataset, rows DESC, 2;

-- Columns that sellers added, dropped or changed in type, compared with the declaration.
CREATE TEMP VIEW quality_drift AS
SELECT dataset, "column", change, first_seen, purchase_id, detail FROM drift
ORDER BY first_seen, dataset, "column";
