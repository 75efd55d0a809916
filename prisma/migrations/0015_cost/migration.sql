-- Daily costs ---------------------------------------------------------------------------------------------------------
-- Names follow FOCUS. Partitioned by the month of usage, `cost_data_YYYYMM`, made when the first row of a month comes: a query over
-- some months reads only them, and a month is what bills are corrected by. The key is the order of exports, a day at a time.
--
-- Amounts are exact. A cost fits DECIMAL(38,21), a quantity DECIMAL(38,18) (some providers count byte-seconds): what is in here
-- can leave as a decimal that every engine reads. `numeric` without a scale keeps "1.50" as it was sent, and short.

CREATE TABLE cost_data (
  tenant_id          uuid NOT NULL,
  date               date NOT NULL,
  record_id          uuid NOT NULL,
  provider           text COLLATE "C" NOT NULL,
  billing_account_id text COLLATE "C",
  sub_account_id     text COLLATE "C",
  service_name       text COLLATE "C" NOT NULL,
  region_id          text COLLATE "C",
  resource_id        text COLLATE "C",
  charge_category    text COLLATE "C" NOT NULL CHECK (charge_category IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')),
  usage_type         text COLLATE "C",
  billed_cost        numeric NOT NULL,
  effective_cost     numeric NOT NULL,
  list_cost          numeric NOT NULL,
  contracted_cost    numeric NOT NULL,
  quantity           numeric,
  unit               text COLLATE "C",
  currency           text COLLATE "C" NOT NULL,
  tags               jsonb NOT NULL,
  PRIMARY KEY (tenant_id, date, record_id),
  CONSTRAINT cost_data_costs_check CHECK (
    greatest(scale(billed_cost), scale(effective_cost), scale(list_cost), scale(contracted_cost)) <= 21
    AND greatest(abs(billed_cost), abs(effective_cost), abs(list_cost), abs(contracted_cost)) < 1e17),
  CONSTRAINT cost_data_quantity_check CHECK (scale(quantity) <= 18 AND abs(quantity) < 1e20)
) PARTITION BY RANGE (date);
