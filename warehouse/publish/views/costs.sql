-- Sums of the view `costs` (made in money.py), and of the table `avoided`.
-- Days, months and written times are UTC whatever the session's TimeZone is. A purchase belongs to the day in which it
-- settled or, until then, in which it was ordered. `amount` is all that is committed; `in_doubt` is the part of it that
-- was sent and is neither proved spent nor void yet, `loss` the part that brought nothing that can be used.

CREATE OR REPLACE VIEW cost_by_flow AS
WITH paid AS (
    SELECT flow, network, asset, count(*) FILTER (money IN ('spent', 'exposed')) AS calls_paid,
           sum(amount_atomic) AS amount_atomic, sum(amount) AS amount, sum(loss) AS loss,
           sum(amount) FILTER (money = 'exposed') AS in_doubt,
           sum(rows_delivered)::BIGINT AS rows_delivered, sum(rows_new)::BIGINT AS rows_new,
           sum(rows_changed)::BIGINT AS rows_changed, sum(rows_checked)::BIGINT AS rows_checked
    FROM costs GROUP BY ALL
), saved AS (
    SELECT flow, network, asset, count(*) AS calls_avoided, sum(price) AS saved FROM avoided GROUP BY ALL
)
SELECT flow, network, asset, coalesce(calls_paid, 0) AS calls_paid, coalesce(amount_atomic, 0) AS amount_atomic,
       coalesce(amount, 0) AS amount, coalesce(loss, 0) AS loss, coalesce(in_doubt, 0) AS in_doubt,
       coalesce(rows_delivered, 0) AS rows_delivered, coalesce(rows_new, 0) AS rows_new,
       coalesce(rows_changed, 0) AS rows_changed, coalesce(rows_checked, 0) AS rows_checked,
       coalesce(calls_avoided, 0) AS calls_avoided, coalesce(saved, 0) AS saved
FROM paid FULL JOIN saved USING (flow, network, asset) ORDER BY ALL;

CREATE OR REPLACE VIEW cost_by_day AS
SELECT (coalesce(block_time, created_at) AT TIME ZONE 'UTC')::DATE AS day, network, asset,
       count(*) FILTER (money IN ('spent', 'exposed')) AS calls_paid,
       sum(amount_atomic) AS amount_atomic, sum(amount) AS amount, sum(loss) AS loss,
       coalesce(sum(amount) FILTER (money = 'exposed'), 0) AS in_doubt,
       sum(rows_new)::BIGINT AS rows_new, sum(rows_changed)::BIGINT AS rows_changed,
       sum(rows_checked)::BIGINT AS rows_checked
FROM costs GROUP BY ALL ORDER BY ALL;

CREATE OR REPLACE VIEW cost_by_month AS
SELECT date_trunc('month', coalesce(block_time, created_at) AT TIME ZONE 'UTC')::DATE AS month, network, asset,
       count(*) FILTER (money IN ('spent', 'exposed')) AS calls_paid,
       sum(amount_atomic) AS amount_atomic, sum(amount) AS amount, sum(loss) AS loss,
       coalesce(sum(amount) FILTER (money = 'exposed'), 0) AS in_doubt,
       sum(rows_new)::BIGINT AS rows_new, sum(rows_changed)::BIGINT AS rows_changed,
       sum(rows_checked)::BIGINT AS rows_checked
FROM costs GROUP BY ALL ORDER BY ALL;

CREATE OR REPLACE VIEW cost_by_dataset AS
SELECT dataset, network, asset, count(*) FILTER (money IN ('spent', 'exposed')) AS calls_paid,
       sum(amount_atomic) AS amount_atomic, sum(amount) AS amount, sum(loss) AS loss,
       coalesce(sum(amount) FILTER (money = 'exposed'), 0) AS in_doubt,
       sum(rows_delivered)::BIGINT AS rows_delivered, sum(rows_new)::BIGINT AS rows_new,
           sum(rows_changed)::BIGINT AS rows_changed, sum(rows_checked)::BIGINT AS rows_checked
FROM costs GROUP BY ALL ORDER BY ALL;

CREATE OR REPLACE VIEW open_purchases AS
SELECT * FROM costs
WHERE money IN ('reserved', 'exposed') OR undelivered OR failure IS NOT NULL OR (money = 'spent' AND data = 'absent')
ORDER BY created_at;
