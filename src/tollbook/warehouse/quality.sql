-- How fresh each dataset is against its own cadence. `late`: the slot after the newest one held was due by now.
CREATE OR REPLACE VIEW quality_freshness AS
WITH held AS (
    SELECT dataset, max("last") AS newest, min("first") AS oldest, count(DISTINCT key) AS keys
    FROM (SELECT dataset, key, "first", "last" FROM coverage
          UNION ALL SELECT dataset, key, "first", "last" FROM coverage_open)
    GROUP BY dataset),
delivered AS (
    SELECT dataset, max(observed_at) AS last_delivery,
           max(observed_at) FILTER (rows_new + rows_changed > 0) AS last_news
    FROM loads GROUP BY dataset)
SELECT d.dataset, d.table_name, d.kind, to_seconds(d.grain) AS cadence, keys,
       to_timestamp(oldest * d.grain) AS oldest_slot, to_timestamp(newest * d.grain) AS newest_slot,
       last_delivery, last_news,
       to_timestamp((newest + 1) * d.grain + d.due) AS due_at,
       now() > to_timestamp((newest + 1) * d.grain + d.due) AS late
FROM declared d JOIN delivered USING (dataset) LEFT JOIN held USING (dataset)
ORDER BY d.dataset;

-- Slots between the oldest and the newest one held of a key that were never answered. Of a snapshot they are gone.
CREATE OR REPLACE VIEW quality_gaps AS
WITH spans AS (
    SELECT dataset, key, "first", max("last") OVER before AS until
    FROM (SELECT dataset, key, "first", "last" FROM coverage
          UNION ALL SELECT dataset, key, "first", "last" FROM coverage_open)
    WINDOW before AS (
        PARTITION BY dataset, key ORDER BY "first", "last" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT dataset, d.table_name, key, to_timestamp((until + 1) * d.grain) AS first_slot,
       to_timestamp(("first" - 1) * d.grain) AS last_slot, "first" - until - 1 AS slots,
       d.kind = 'series' AS can_be_bought
FROM spans JOIN declared d USING (dataset)
WHERE "first" > until + 1
ORDER BY dataset, key, first_slot;

-- Rows that said what was known already, and rows a body held twice with different values.
CREATE OR REPLACE VIEW quality_duplicates AS
WITH conflicting AS (
    SELECT dataset, count(*) AS rows FROM quarantined WHERE contains(reason, 'a second row of the same key')
    GROUP BY dataset)
SELECT dataset, sum(rows_in)::BIGINT AS rows_in,
       sum(rows_in - rows_new - rows_changed - rows_quarantined)::BIGINT AS rows_unchanged,
       coalesce(any_value(conflicting.rows), 0) AS rows_conflicting
FROM loads LEFT JOIN conflicting USING (dataset)
GROUP BY dataset
ORDER BY dataset;

-- What could not be read, by reason. Of a reason the value is cut off, so that like cases count together.
CREATE OR REPLACE VIEW quality_quarantined AS
SELECT dataset,
       CASE WHEN contains(reason, 'a second row of the same key') THEN 'a second row of the same key with other values'
            ELSE regexp_replace(reason, '^([^:]*: [^:]*): .*$', '\1', 's') END AS reason,
       count(*) AS rows, count(DISTINCT purchase_id) AS purchases, min(observed_at) AS first_seen,
       max(observed_at) AS last_seen, arg_min(left(quarantined.reason, 300), observed_at) AS example,
       arg_min(left(raw, 300), observed_at) AS example_raw
FROM quarantined
GROUP BY 1, 2
ORDER BY dataset, rows DESC, 2;

-- Columns that sellers added, dropped or changed in type, against the declaration.
CREATE OR REPLACE VIEW quality_drift AS
SELECT dataset, "column", change, first_seen, purchase_id, detail FROM drift
ORDER BY first_seen, dataset, "column";

-- One line per dataset that was ever bought.
CREATE OR REPLACE VIEW quality_summary AS
WITH total AS (
    SELECT dataset, count(*) AS deliveries, sum(rows_in)::BIGINT AS rows_in, sum(rows_new)::BIGINT AS rows_new,
           sum(rows_changed)::BIGINT AS rows_changed, sum(rows_quarantined)::BIGINT AS rows_quarantined,
           count(*) FILTER (envelope <> 'ok') AS failed_bodies
    FROM loads GROUP BY dataset),
gaps AS (SELECT dataset, count(DISTINCT key) AS keys, sum(slots)::BIGINT AS slots FROM quality_gaps GROUP BY dataset),
drifted AS (SELECT dataset, count(*) AS columns FROM drift GROUP BY dataset)
SELECT dataset, f.table_name, f.kind, f.newest_slot, f.last_delivery, f.late, t.deliveries, t.rows_in, t.rows_new,
       t.rows_changed, t.rows_quarantined, t.failed_bodies, coalesce(gaps.keys, 0) AS keys_with_gaps,
       coalesce(gaps.slots, 0) AS slots_missing, coalesce(drifted.columns, 0) AS columns_drifted
FROM total t JOIN quality_freshness f USING (dataset) LEFT JOIN gaps USING (dataset) LEFT JOIN drifted USING (dataset)
ORDER BY dataset;
