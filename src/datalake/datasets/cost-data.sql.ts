import { defineDataset } from './dataset.js';

/**
 * Costs by UTC usage day. Its order is the primary key (tenant_id, date, record_id), so a day is one walk of it, without a sort.
 * The scales are those that the table itself checks: whatever it holds, files hold to the last digit.
 */
export const costData = defineDataset({
  name: 'cost_data',
  fileName: 'costs',
  description: 'Costs by UTC usage day, service, account, region and resource.',
  schemaVersion: 1,
  scope: 'cost:read',
  table: 'cost_data',
  day: 'date',
  order: ['date', 'record_id'],
  columns: {
    record_id: { type: 'uuid', description: 'The record’s own id.' },
    date: { type: 'date', description: 'The UTC day of usage.' },
    provider: { type: 'text', dictionary: true, description: 'Who bills it.' },
    billing_account_id: { type: 'text', nullable: true, dictionary: true, description: 'The account that is billed.' },
    sub_account_id: { type: 'text', nullable: true, dictionary: true, description: 'The account that used it.' },
    service_name: { type: 'text', dictionary: true, description: 'What was used.' },
    region_id: { type: 'text', nullable: true, dictionary: true, description: 'Where.' },
    resource_id: { type: 'text', nullable: true, description: 'Which one.' },
    charge_category: { type: 'text', dictionary: true, description: 'Usage, Purchase, Tax, Credit or Adjustment.' },
    usage_type: { type: 'text', nullable: true, dictionary: true, description: 'The provider’s own name for the kind of usage.' },
    billed_cost: { type: { decimal: 21 }, description: 'What the invoice says.' },
    effective_cost: { type: { decimal: 21 }, description: 'With what was paid in advance spread over its term.' },
    list_cost: { type: { decimal: 21 }, description: 'At public prices.' },
    contracted_cost: { type: { decimal: 21 }, description: 'At negotiated prices.' },
    quantity: { type: { decimal: 18 }, nullable: true, description: 'How much of the unit.' },
    unit: { type: 'text', nullable: true, dictionary: true, description: 'What the quantity counts.' },
    currency: { type: 'text', dictionary: true, description: 'ISO 4217 code of all four costs.' },
    tags: { type: 'json', description: 'Tags, an object of texts.' },
  },
});
