import { type Lane, Prisma, type RateLimit, type Tx } from '../../platform/index.js';
import { OURS, PROBE_LEASE_MS, RAMP_PER_SECOND, RAMP_SECONDS } from './circuit.js';

/**
 * Whether a row `f` of `webhook_flows` limits its webhook at the time `$2`, and so must be locked, obeyed and written by a
 * claim. A row that only remembers a failure does not.
 */
export const LIMITS = `((f.state <> 'closed' OR f.per_second IS NOT NULL OR f.held_until > $2::timestamptz OR f.ramp_from > $2::timestamptz - interval '${RAMP_SECONDS} s') IS TRUE)`;

/** What is in the bucket of `f` at the time `$2`. A clock behind the last one adds nothing. */
const TOKENS = `least(f.burst, f.tokens + f.per_second * greatest(0, extract(epoch FROM $2::timestamptz - f.tokens_at)))`;

/**
 * How many attempts `f` allows at the time `$2`: one as a probe, what the ramp has not used up (the integral of a rate that
 * grows steadily), and what is in the bucket, whichever is least. 1e6 stands for no limit.
 */
export const ALLOWANCE = `least(
         CASE WHEN f.held_until > $2::timestamptz THEN 0 WHEN f.state = 'closed' THEN 1e6 WHEN f.probe_at <= $2::timestamptz THEN 1 ELSE 0 END,
         CASE WHEN f.per_second IS NULL THEN 1e6 ELSE ${TOKENS} END,
         CASE WHEN f.ramp_from > $2::timestamptz - interval '${RAMP_SECONDS} s'
              THEN 1 + ${RAMP_PER_SECOND / 2} * greatest(0, extract(epoch FROM $2::timestamptz - f.ramp_from))::float8 ^ 2 - f.ramp_sent
              ELSE 1e6 END)`;

/** Takes `c.n` attempts out of what `f` allows, and makes an open circuit half open: the claim is its probe. */
export const SPEND = `
    UPDATE webhook_flows f
       SET tokens = ${TOKENS} - c.n, tokens_at = greatest(f.tokens_at, $2::timestamptz),
           ramp_sent = CASE WHEN f.ramp_from > $2::timestamptz - interval '${RAMP_SECONDS} s' THEN f.ramp_sent + c.n ELSE 0 END,
           state = CASE WHEN f.state = 'closed' THEN 'closed' ELSE 'half_open' END,
           probe_at = CASE WHEN f.state = 'closed' THEN f.probe_at ELSE $2::timestamptz + interval '${PROBE_LEASE_MS} ms' END`;

/** Remembers that a webhook has begun to fail. The first of several that say so is kept. */
export async function noteFailing(lane: Lane, webhookId: string, at: Date, error: string): Promise<void> {
  await lane.executeSql(`
    INSERT INTO webhook_flows AS f (webhook_id, failing_since, last_error) VALUES ($1::uuid, $2::timestamptz, $3::text)
    ON CONFLICT (webhook_id) DO UPDATE SET failing_since = coalesce(f.failing_since, excluded.failing_since), last_error = excluded.last_error`, [webhookId, at, error]);
}

/** Opens a closed circuit. Answers false when it is open already. */
export async function openCircuit(lane: Lane, webhookId: string, at: Date, probeAt: Date, error: string): Promise<boolean> {
  const { rows } = await lane.executeSql(`
    INSERT INTO webhook_flows AS f (webhook_id, state, failing_since, last_error, opened_at, trips, probe_at)
    VALUES ($1::uuid, 'open', $2::timestamptz, $4::text, $2::timestamptz, 1, $3::timestamptz)
    ON CONFLICT (webhook_id) DO UPDATE
       SET state = 'open', failing_since = coalesce(f.failing_since, excluded.failing_since), last_error = excluded.last_error,
           opened_at = excluded.opened_at, trips = 1, probe_at = excluded.probe_at
     WHERE f.state = 'closed'
    RETURNING webhook_id`, [webhookId, at, probeAt, error]);
  return rows.length === 1;
}

/** After a probe that failed: open for longer. */
export async function reopenCircuit(lane: Lane, webhookId: string, probeAt: Date, error: string): Promise<void> {
  await lane.executeSql(`
    UPDATE webhook_flows SET state = 'open', trips = trips + 1, probe_at = $2::timestamptz, last_error = $3::text
     WHERE webhook_id = $1::uuid AND state = 'half_open'`, [webhookId, probeAt, error]);
}

/** After a probe that asked the receiver nothing: another is taken soon. */
export async function repeatProbe(lane: Lane, webhookId: string, probeAt: Date): Promise<void> {
  await lane.executeSql(`UPDATE webhook_flows SET state = 'open', probe_at = $2::timestamptz WHERE webhook_id = $1::uuid AND state = 'half_open'`, [webhookId, probeAt]);
}

/** After a success: nothing is failing any more, and a circuit that was open closes with a ramp. Answers whether it was open. */
export async function noteSucceeding(lane: Lane, webhookId: string, at: Date): Promise<boolean> {
  const { rows } = await lane.executeSql<{ was_open: boolean }>(`
    UPDATE webhook_flows f
       SET state = 'closed', failing_since = NULL, last_error = NULL, opened_at = NULL, trips = 0, probe_at = NULL,
           ramp_from = CASE WHEN o.state = 'closed' THEN f.ramp_from ELSE $2::timestamptz END,
           ramp_sent = CASE WHEN o.state = 'closed' THEN f.ramp_sent ELSE 0 END
      FROM (SELECT webhook_id, state FROM webhook_flows WHERE webhook_id = $1::uuid FOR UPDATE) o
     WHERE f.webhook_id = o.webhook_id
    RETURNING o.state <> 'closed' AS was_open`, [webhookId, at]);
  return rows[0]?.was_open ?? false;
}

/** Leaves a webhook alone until a time its receiver named; the furthest of several counts. */
export async function holdUntil(lane: Lane, webhookId: string, until: Date): Promise<void> {
  await lane.executeSql(`
    INSERT INTO webhook_flows AS f (webhook_id, held_until) VALUES ($1::uuid, $2::timestamptz)
    ON CONFLICT (webhook_id) DO UPDATE SET held_until = greatest(f.held_until, excluded.held_until)`, [webhookId, until]);
}

/** Sets or lifts a rate limit. A new bucket begins full; a changed one keeps what is in it, as far as that fits. Raw: the bucket is shared with claims. */
export async function setRateLimit(tx: Tx, webhookId: string, limit: RateLimit | null, at: Date): Promise<void> {
  await tx.$executeRaw(Prisma.sql`
    INSERT INTO webhook_flows AS f (webhook_id, per_second, burst, tokens, tokens_at)
    VALUES (${webhookId}::uuid, ${limit?.per_second ?? null}, ${limit?.burst ?? null}, ${limit?.burst ?? null}, ${at})
    ON CONFLICT (webhook_id) DO UPDATE
       SET per_second = excluded.per_second, burst = excluded.burst,
           tokens = CASE WHEN f.per_second IS NULL THEN excluded.tokens ELSE least(f.tokens, excluded.burst) END,
           tokens_at = CASE WHEN f.per_second IS NULL THEN excluded.tokens_at ELSE f.tokens_at END`);
}

/** Starts afresh after a standstill (enabled, resumed, mended): circuit closed, nothing held, at a ramp. */
export async function startRamp(tx: Tx, webhookId: string, at: Date): Promise<void> {
  await tx.$executeRaw(Prisma.sql`
    INSERT INTO webhook_flows (webhook_id, ramp_from) VALUES (${webhookId}::uuid, ${at})
    ON CONFLICT (webhook_id) DO UPDATE
       SET state = 'closed', failing_since = NULL, last_error = NULL, opened_at = NULL, trips = 0, probe_at = NULL, held_until = NULL,
           ramp_from = excluded.ramp_from, ramp_sent = 0`);
}

/**
 * Attempts that a receiver has failed since a time, counted up to `most`: enough to tell one bad day from one bad event. None when
 * the webhook does not fail since `failingSince` any more. Leans on (webhook_id, started_at).
 */
export async function countFailuresSince(lane: Lane, webhookId: string, failingSince: Date, since: Date, most: number): Promise<number> {
  const { rows } = await lane.executeSql<{ count: number }>(`
    SELECT count(*)::int AS count FROM (
      SELECT FROM attempts
       WHERE webhook_id = $1::uuid AND started_at >= $3::timestamptz AND trigger <> 'test' AND error_class <> ALL($5::text[])
         AND EXISTS (SELECT FROM webhook_flows WHERE webhook_id = $1::uuid AND failing_since = $2::timestamptz)
       LIMIT $4::int) found`, [webhookId, failingSince, since, most, [...OURS, 'interrupted']]);
  return rows[0]!.count;
}
