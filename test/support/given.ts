import { eventually } from './eventually.js';
import type { House } from './house.js';

export interface GivenWebhook {
  webhook_id: string;
  secret: string;
  url: string;
}

/** A retry policy that does not make tests wait. */
export const QUICK = { base_seconds: 0.05, factor: 1, jitter: false };

/** A registered webhook. */
export async function givenWebhook(house: House, url: string, more: Record<string, unknown> = {}): Promise<GivenWebhook> {
  return (await house.api.post('/v1/webhooks').send({ url, retry_policy: QUICK, ...more }).expect(201)).body as GivenWebhook;
}

/** A published event's id. */
export async function givenEvent(house: House, event_type: string, data: Record<string, unknown> = {}, more: Record<string, unknown> = {}): Promise<string> {
  return ((await house.api.post('/v1/events').send({ event_type, data, ...more }).expect(202)).body as { event_id: string }).event_id;
}

/** Another tenant's admin key. */
export async function givenTenant(house: House, name = 'other'): Promise<string> {
  return ((await house.api.post('/v1/tenants').send({ name }).expect(201)).body as { admin_key: string }).admin_key;
}

export interface SeenDelivery {
  delivery_id: string;
  status: string;
  attempt_count: number;
  attempts: { attempt: number; trigger: string; response_status: number | null; error_class: string | null; error: string | null; request_headers: Record<string, string>; response_body: string | null }[];
}

/** The only delivery of an event (to a webhook, when given) once it has a status, with its attempts. */
export async function deliveryOf(house: House, eventId: string, status: string, webhookId?: string): Promise<SeenDelivery> {
  const found = await eventually(`the delivery of ${eventId} to be ${status}`, async () => {
    const { body } = await house.api.get(`/v1/deliveries?event_id=${encodeURIComponent(eventId)}${webhookId ? `&webhook_id=${webhookId}` : ''}`).expect(200);
    return (body.data as SeenDelivery[]).find((delivery) => delivery.status === status);
  });
  return (await house.api.get(`/v1/deliveries/${found.delivery_id}`).expect(200)).body as SeenDelivery;
}

export interface SeenResend {
  resend_id: string;
  status: string;
  total_count: number;
  done_count: number;
  skipped_count: number;
  progress: number;
  estimated_seconds_left: number | null;
  error: string | null;
}

/** A resend once it has come to its end. */
export async function endOf(house: Pick<House, 'api'>, resendId: string): Promise<SeenResend> {
  return eventually(`the resend ${resendId} to end`, async () => {
    const { body } = await house.api.get(`/v1/resends/${resendId}`).expect(200);
    return (body as SeenResend).status !== 'queued' && (body as SeenResend).status !== 'running' && (body as SeenResend);
  });
}
