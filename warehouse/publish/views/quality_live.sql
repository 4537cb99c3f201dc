-- Judgements on the facts of quality.sql, made when asked: a pipeline that no longer runs can't say that it is late.

-- Each key and its next expected slot. `late` is null for a key that the schedule doesn't request; a key that it
-- requests and that was never delivered is late, and so is one with slots that were asked for and not delivered. One
-- whose rows have ended is not.
CREATE OR REPLACE VIEW quality_keys AS
SELECT dataset, key, watched, oldest_slot, newest_slot, due_at, judged_by, expected_at,
       CASE WHEN watched IS NOT false
            THEN unconfirmed > 0 OR (NOT ended AND coalesce(now() > expected_at, true)) END AS late,
       unconfirmed, confirmed_empty, ended
FROM quality_held ORDER BY dataset, key;

-- How fresh each dataset is. `late`: at least one of its keys is, `keys_late` says how many.
CREATE OR REPLACE VIEW quality_freshness AS
WITH held AS (
    SELECT dataset, count(*) AS keys, count(*) FILTER (late) AS keys_late, min(oldest_slot) AS oldest_slot,
           max(newest_slot) AS newest_slot, min(newest_slot) FILTER (watched IS NOT false) AS oldest_newest_slot,
           max(due_at) AS due_at, any_value(judged_by) AS judged_by,
           min(expected_at) FILTER (watched IS NOT false) AS expected_at, bool_or(late) AS late
    FROM quality_keys GROUP BY dataset),
delivered AS (
    SELECT dataset, max(observed_at) AS last_delivery,
           max(observed_at) FILTER (rows_new + rows_changed > 0) AS last_news
    FROM loads GROUP BY dataset)
SELECT d.dataset, d.table_name, d.kind, d.cadence, coalesce(keys, 0) AS keys, coalesce(keys_late, 0) AS keys_late,
       oldest_slot, newest_slot, oldest_newest_slot, last_delivery, last_news, due_at, judged_by, expected_at, late
FROM quality_datasets d JOIN delivered USING (dataset) LEFT JOIN held USING (dataset)
ORDER BY d.dataset;

-- One row per dataset that was ever bought.
CREATE OR REPLACE VIEW quality_summary AS
WITH total AS (
    SELECT dataset, count(*) AS deliveries, sum(rows_in)::BIGINT AS rows_in, sum(rows_new)::BIGINT AS rows_new,
           sum(rows_changed)::BIGINT AS rows_changed, sum(rows_quarantined)::BIGINT AS rows_quarantined,
           count(*) FILTER (envelope <> 'ok') AS failed_bodies
    FROM loads GROUP BY dataset),
gaps AS (
    SELECT dataset, count(DISTINCT key) AS keys, sum(slots)::BIGINT AS slots,
           coalesce(sum(slots) FILTER (state = 'unconfirmed'), 0)::BIGINT AS unconfirmed
    FROM quality_gaps GROUP BY dataset),
empty AS (SELECT dataset, sum(slots)::BIGINT AS slots FROM quality_confirmed_empty GROUP BY dataset),
drifted AS (SELECT dataset, count(*) AS columns FROM quality_drift GROUP BY dataset)
SELECT dataset, f.table_name, f.kind, f.newest_slot, f.last_delivery, f.late, f.keys, f.keys_late, t.deliveries,
       t.rows_in, t.rows_new, t.rows_changed, t.rows_quarantined, t.failed_bodies,
       coalesce(gaps.keys, 0) AS keys_with_gaps, coalesce(gaps.slots, 0) AS slots_missing,
       coalesce(gaps.unconfirmed, 0) AS slots_unconfirmed, coalesce(empty.slots, 0) AS slots_confirmed_empty,
       coalesce(drifted.columns, 0) AS columns_drifted
FROM total t JOIN quality_freshness f USING (dataset) LEFT JOIN gaps USING (dataset) LEFT JOIN empty USING (dataset)
     LEFT JOIN drifted USING (dataset)
ORDER BY dataset;
