const SERVICES = ['AmazonEC2', 'AmazonRDS', 'AmazonS3', 'AWSLambda', 'AmazonCloudFront'];

const cost = () => Math.round(Math.random() * 500_000) / 100;

/**
 * A morning's worth of cost events: `run` makes their ids the run's own. Among them one `resource_idle` (the receiver
 * refuses it twice) and one `budget_exceeded` (it never takes it).
 */
export function costEvents(run) {
  const day = new Date().toISOString().slice(0, 10);
  const summaries = SERVICES.map((service, index) => event(index, 'daily_summary', { date: day, service, currency: 'USD', total_cost: cost(), change_percent: Math.round(Math.random() * 200 - 100) / 10 }));
  return [
    ...summaries,
    event(5, 'anomaly_detected', { date: day, service: 'AmazonEC2', account: '123456789012', region: 'eu-central-1', currency: 'USD', expected_cost: 412.5, actual_cost: 1389.27, severity: 'high' }),
    event(6, 'forecast_updated', { month: day.slice(0, 7), currency: 'USD', forecast_cost: 143227.76, lower: 138900, upper: 147600 }),
    event(7, 'resource_idle', { resource_id: 'i-0abc123def4567890', service: 'AmazonEC2', idle_days: 14, currency: 'USD', monthly_cost: 61.32 }),
    event(8, 'budget_exceeded', { budget: 'Platform team', month: day.slice(0, 7), currency: 'USD', limit: 20000, actual_cost: 20431.18 }),
  ];

  function event(index, event_type, data) {
    return { event_id: `demo-${run}-${index}`, event_type, data, metadata: { source: 'demo' } };
  }
}
