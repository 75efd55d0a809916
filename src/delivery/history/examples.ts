/** Believable `data` for a test send, as JSON text: the built-in types have an example of their own. `now` in epoch milliseconds. */
export function exampleOf(eventType: string, now: number): string {
  const day = new Date(now).toISOString().slice(0, 10);
  const examples: Record<string, object> = {
    anomaly_detected: { date: day, service: 'AmazonEC2', account: '123456789012', currency: 'USD', expected_cost: 412.5, actual_cost: 1389.27, deviation_percent: 236.8, severity: 'high' },
    budget_exceeded: { budget: 'Platform team', month: day.slice(0, 7), currency: 'USD', limit: 20_000, actual_cost: 20_431.18, percent_used: 102.2 },
    daily_summary: { date: day, currency: 'USD', total_cost: 4_812.09, change_percent: -3.4, top_services: [{ service: 'AmazonEC2', cost: 2_140.55 }, { service: 'AmazonRDS', cost: 908.1 }] },
    forecast_updated: { month: day.slice(0, 7), currency: 'USD', forecast_cost: 143_227.76, lower: 138_900, upper: 147_600 },
    resource_idle: { resource_id: 'i-0abc123def4567890', service: 'AmazonEC2', region: 'eu-central-1', idle_days: 14, currency: 'USD', monthly_cost: 61.32 },
  };
  return JSON.stringify(examples[eventType] ?? { message: `This is a test of ${eventType} from Lakehook.`, sent_at: new Date(now).toISOString() });
}
