-- Views on costs, over ledger_costs, avoided and loads.
-- Days, months and written times are UTC whatever the session's TimeZone is. A purchase belongs to the day in which it
-- settled or, until then, in which it was ordered. `amount` is all that is committed; `in_doubt` is the part of it that
-- was sent and is neither proved spent nor void yet, `loss` the part that brought nothing that can be used.

CREATE OR REPLACE VIEW costs AS
SELECT c.* EXCLUDE (seq),
       coalesce(l.rows_in, 0) AS rows_delivered,
       coalesce(l.rows_new, 0) AS rows_new
FROM ledger_costs c LEFT JOIN loads l USING (purchase_id);

CREATE OR REPLACE VIEW cost_by_flow AS
WITH paid AS (
    SELECT flow, network, asset, count(*) FILTER (money IN ('spent', 'exposed')) AS calls_paid,
           sum(amount_atomic)::HUGEINT AS amount_atomic, sum(amount) AS amount, sum(loss) AS loss,
           sum(amount) FILTER (money = 'exposed') AS in_doubt,
           sum(rows_delivered) AS rows_delivered, sum(rows_new) AS rows_new
    FROM costs GROUP BY ALL
), saved AS (
    SELECT flow, network, asset, count(*) AS calls_avoided, sum(price) AS saved FROM avoided GROUP BY ALL
)
SELECT flow, network, asset, coalesce(calls_paid, 0) AS calls_paid, coalesce(amount_atomic, 0) AS amount_atomic,
       coalesce(amount, 0) AS amount, coalesce(loss, 0) AS loss, coalesce(in_doubt, 0) AS in_doubt,
       coalesce(rows_delivered, 0) AS rows_delivered, coalesce(rows_new, 0) AS rows_new, coalesce(calls_avoided, 0) AS calls_avoided, coalesce(saved, 0) AS saved
FROM paid FULL JOIN saved USING (flow, network, asset) ORDER BY ALL;

CREATE OR REPLACE VIEW cost_by_day AS
SELECT (coalesce(block_time, created_at) AT TIME ZONE 'UTC')::DATE AS day, network, asset,
       count(*) FILTER (money IN ('spent', 'exposed')) AS calls_paid,
       sum(amount_atomic)::HUGEINT AS amount_atomic, sum(amount) AS amount, sum(loss) AS loss,
       coalesce(sum(amount) FILTER (money = 'exposed'), 0) AS in_doubt, sum(rows_new) AS rows_new
FROM costs GROUP BY ALL ORDER BY ALL;

CREATE OR REPLACE VIEW cost_by_month AS
SELECT date_trunc('month', coalesce(block_time, created_at) AT TIME ZONE 'UTC')::DATE AS month, network, asset,
       count(*) FILTER (money IN ('spent', 'exposed')) AS calls_paid,
       sum(amount_atomic)::HUGEINT AS amount_atomic, sum(amount) AS amount, sum(loss) AS loss,
       coalesce(sum(amount) FILTER (money = 'exposed'), 0) AS in_doubt, sum(rows_new) AS rows_new
FROM costs GROUP BY ALL ORDER BY ALL;

CREATE OR REPLACE VIEW cost_by_dataset AS
SELECT dataset, network, asset, count(*) FILTER (money IN ('spent', 'exposed')) AS calls_paid,
       sum(amount_atomic)::HUGEINT AS amount_atomic, sum(amount) AS amount, sum(loss) AS loss,
       coalesce(sum(amount) FILTER (money = 'exposed'), 0) AS in_doubt,
       sum(rows_delivered) AS rows_delivered, sum(rows_new) AS rows_new
FROM costs GROUP BY ALL ORDER BY ALL;

CREATE OR REPLACE VIEW cost_per_new_row AS
SELECT dataset, network, asset, amount, rows_new,
       CASE WHEN rows_new > 0 THEN amount::DOUBLE / rows_new END AS amount_per_new_row
FROM cost_by_dataset ORDER BY ALL;

CREATE OR REPLACE VIEW open_purchases AS
SELECT * FROM costs
WHERE money IN ('reserved', 'exposed') OR undelivered OR failure IS NOT NULL OR (money = 'spent' AND data = 'absent')
ORDER BY created_at;

-- provenance('signals', '3375/2026-11-20') or, for every row of a token, provenance('signals', '3375')
CREATE OR REPLACE MACRO provenance(of_table, of_key) AS TABLE
SELECT k.table_name, k.row_key, k.observed_at, k.purchase_id, c.dataset, c.request, c.flow, c.deployment, c.flow_run_id,
       c.run_id, c.reason, c.amount, c.asset, c.network, c.money, c.tx_hash, c.block_time, c.verified_on_chain,
       c.rows_delivered, c.amount::DOUBLE / nullif(c.rows_delivered, 0) AS amount_per_row
FROM row_keys k LEFT JOIN costs c USING (purchase_id)
WHERE {only_here} AND k.table_name = of_table
  AND (k.row_key = of_key OR starts_with(k.row_key, of_key || '/'))
ORDER BY k.row_key, k.observed_at;
