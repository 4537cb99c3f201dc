-- Lists that the seller nests in a row, one row per element. Their shapes are not documented: `element` is the element
-- as it was delivered, and a field that an element lacks, or that can't be cast, is null.

CREATE OR REPLACE VIEW resistance_support_levels AS
SELECT r.token_id, r.token_symbol, r.date, e.key::BIGINT + 1 AS number,
       try_cast(coalesce(e.value ->> '$.level', e.value ->> '$') AS DOUBLE) AS level,
       try_cast(e.value ->> '$.date' AS DATE) AS level_date,
       e.value::VARCHAR AS element, r.observed_at, r.purchase_id
FROM resistance_support r, json_each(CASE json_type(r.historical_resistance_support_levels)
                                     WHEN 'ARRAY' THEN r.historical_resistance_support_levels END) e;

CREATE OR REPLACE VIEW correlation_pairs AS
SELECT c.token_id, c.token_symbol, c.date, e.key::BIGINT + 1 AS number,
       coalesce(e.value ->> '$.token', CASE e.type WHEN 'VARCHAR' THEN e.value ->> '$' END) AS with_token,
       try_cast(e.value ->> '$.correlation' AS DOUBLE) AS correlation,
       e.value::VARCHAR AS element, c.observed_at, c.purchase_id
FROM correlations c, json_each(CASE json_type(c.top_correlation) WHEN 'ARRAY' THEN c.top_correlation END) e;

CREATE OR REPLACE VIEW price_scenarios AS
SELECT p.token_id, p.token_symbol, p.date, e.key::BIGINT + 1 AS number, e.value ->> '$.scenario' AS scenario,
       try_cast(p.price_prediction ->> '$.predicted_date' AS DATE) AS predicted_date,
       try_cast(p.price_prediction ->> '$.current_price' AS DOUBLE) AS current_price,
       try_cast(e.value ->> '$.predicted_price_bear' AS DOUBLE) AS price_bear,
       try_cast(e.value ->> '$.predicted_price_base' AS DOUBLE) AS price_base,
       try_cast(e.value ->> '$.predicted_price_moon' AS DOUBLE) AS price_moon,
       e.value::VARCHAR AS element, p.observed_at, p.purchase_id
FROM price_predictions p, json_each(CASE json_type(p.price_prediction, '$.price_prediction')
                                    WHEN 'ARRAY' THEN p.price_prediction -> '$.price_prediction' END) e;

CREATE OR REPLACE VIEW scenario_values AS
SELECT s.token_id, s.token_symbol, s.date, e.key::BIGINT + 1 AS number, e.value ->> '$.scenario' AS scenario,
       try_cast(e.value ->> '$.value' AS DOUBLE) AS value,
       e.value::VARCHAR AS element, s.observed_at, s.purchase_id
FROM scenario_analyses s, json_each(CASE json_type(s.scenario_analysis) WHEN 'ARRAY' THEN s.scenario_analysis END) e;

-- The same of each token's newest snapshot only.

CREATE OR REPLACE VIEW resistance_support_levels_current AS
FROM resistance_support_levels SEMI JOIN resistance_support_current USING (token_id, date);

CREATE OR REPLACE VIEW correlation_pairs_current AS
FROM correlation_pairs SEMI JOIN correlations_current USING (token_id, date);

CREATE OR REPLACE VIEW price_scenarios_current AS
FROM price_scenarios SEMI JOIN price_predictions_current USING (token_id, date);

CREATE OR REPLACE VIEW scenario_values_current AS
FROM scenario_values SEMI JOIN scenario_analyses_current USING (token_id, date);
