import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Events } from '../../events/index.js';
import { Clock, Config, Database, pageOf, Prisma, Problem, readCursor, type Resend, type ResendPart, timeOfUuidv7, type Tx, uuidv7, type Webhook } from '../../platform/index.js';
import { chooses, matches } from '../fan-out/match.js';
import { letterFilterOf } from '../history/dead-letters.dto.js';
import { approvedPatterns } from '../partners/partners.sql.js';
import { Webhooks } from '../webhooks/webhooks.js';
import { ResendLoop } from './resend-loop.js';
import type { RecoverWebhook, RedriveDeadLetters, ReplayEvents, ResendAnswer, ResendPage, ResendView } from './resends.dto.js';
import { type Kind, type LeftOut, oldestKept, type Selection, type Step } from './selection.js';
import { countEvents, countLetters, countNamedEvents, type LetterCount } from './selection.sql.js';

/** A resend as it is about to be made. */
interface Plan {
  kind: Kind;
  webhookId?: string;
  selection: Selection;
  parts: { step: Step; webhookId: string; totalCount: number }[];
  leftOut: LeftOut[];
  rate?: number;
}

type Row = Resend & { parts?: ResendPart[] };

/** Redrives, replays and recoveries: deciding what they choose, and telling how far they are. {@link ResendLoop} does the work. */
@Injectable()
export class Resends {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly webhooks: Webhooks,
    private readonly events: Events,
    private readonly loop: ResendLoop,
  ) {}

  /** Sends dead letters again. `resendId` is given where the same request must not make another one. */
  redrive(caller: Caller, { filter, delivery_ids, dry_run, rate_per_second }: RedriveDeadLetters, resendId?: string): Promise<ResendAnswer> {
    const deliveryIds = delivery_ids && [...new Set(delivery_ids.map((id) => id.toLowerCase()))];
    return this.make(caller, dry_run, resendId, async (tx, now) => {
      const counts = await countLetters(tx, caller.tenantId, letterFilterOf(filter ?? {}), { deliveryIds, until: now, oldestKept: this.oldestKept(now) });
      const { parts, leftOut } = readCounts(counts);
      const unknown = (deliveryIds?.length ?? 0) - counts.reduce((sum, { count, past_retention }) => sum + count + past_retention, 0);
      if (deliveryIds && !filter && unknown > 0) leftOut.push({ reason: 'not_a_dead_letter', count: unknown });
      return { kind: 'redrive', selection: { filter: filter && { ...filter }, delivery_ids: deliveryIds }, parts, leftOut, rate: rate_per_second };
    });
  }

  /** Makes new deliveries of stored events for one webhook. */
  async replay(caller: Caller, webhookId: string, { from, to, event_ids, event_types, dry_run, rate_per_second: rate }: ReplayEvents, resendId?: string): Promise<ResendAnswer> {
    const others = Object.entries({ from, to, event_types }).filter(([, value]) => value !== undefined);
    if (event_ids && others.length > 0) throw Problem.invalid(...others.map(([name]) => ({ pointer: `/${name}`, detail: 'must not be given with event_ids' })));
    if (from && to && Date.parse(to) <= Date.parse(from)) throw Problem.invalid({ pointer: '/to', detail: 'must be later than from' });
    this.refuseFuture('/from', from);
    return this.make(caller, dry_run, resendId, async (tx, now) => {
      const webhook = await this.requireOpen(tx, caller, webhookId);
      if (event_ids) return this.planNamed(tx, caller, webhook, [...new Set(event_ids)], rate);
      const approved = await approvedPatterns(tx, webhook);
      const until = earlier(to, now);
      const counts = await countEvents(tx, caller.tenantId, { webhookId, from: new Date(from!), to: until, undeliveredOnly: false });
      const totalCount = counts.filter(({ event_type }) => chooses({ events: webhook.events, approved }, event_type) && (!event_types || matches(event_types, event_type))).reduce((sum, { count }) => sum + count, 0);
      const selection = { from: new Date(from!).toISOString(), to: until.toISOString(), event_types, events: webhook.events };
      return { kind: 'replay', webhookId, selection, parts: [{ step: 'events', webhookId, totalCount }], leftOut: [], rate };
    });
  }

  /** Sends again to one webhook what did not succeed at it since a time: its dead letters, and what it missed while it was disabled. */
  async recover(caller: Caller, webhookId: string, { since, dry_run, rate_per_second: rate }: RecoverWebhook, resendId?: string): Promise<ResendAnswer> {
    this.refuseFuture('/since', since);
    return this.make(caller, dry_run, resendId, async (tx, now) => {
      const webhook = await this.requireOpen(tx, caller, webhookId);
      const { events } = webhook;
      const approved = await approvedPatterns(tx, webhook);
      const letters = readCounts(await countLetters(tx, caller.tenantId, { webhookId }, { until: now, unrecoveredSince: new Date(since), oldestKept: this.oldestKept(now) }));
      // What was published before there was the webhook is a matter of replay. The time in its id is by the clock that dates events.
      const from = new Date(Math.max(Date.parse(since), timeOfUuidv7(webhookId) ?? 0));
      const missed = await countEvents(tx, caller.tenantId, { webhookId, from, to: now, undeliveredOnly: true });
      const totalCount = missed.filter(({ event_type }) => chooses({ events, approved }, event_type)).reduce((sum, { count }) => sum + count, 0);
      const selection = { since: new Date(since).toISOString(), from: from.toISOString(), to: now.toISOString(), events };
      return { kind: 'recover', webhookId, selection, parts: [...letters.parts, { step: 'events', webhookId, totalCount }], leftOut: letters.leftOut, rate };
    });
  }

  async list(caller: Caller, filter: { status?: string; kind?: string }, limit: number, cursor?: string): Promise<ResendPage> {
    const after = readCursor(cursor);
    const rows = await this.db.client.resend.findMany({
      where: { tenantId: caller.tenantId, ...filter, ...(after && { OR: [{ createdAt: { lt: new Date(after[0]) } }, { createdAt: new Date(after[0]), resendId: { lt: after[1] } }] }) },
      orderBy: [{ createdAt: 'desc' }, { resendId: 'desc' }], take: limit + 1,
    });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.resendId], (row) => this.view(row, false));
  }

  async get(caller: Caller, resendId: string): Promise<ResendView> {
    return this.view(await this.find(this.db.client, caller, resendId));
  }

  /** Stops a resend: waits for a chunk under way, after which nothing more is queued. What it has queued is still sent. */
  async cancel(caller: Caller, resendId: string): Promise<ResendView> {
    const { count } = await this.db.client.resend.updateMany({
      where: { resendId, tenantId: caller.tenantId, status: { in: ['queued', 'running'] } }, data: { status: 'cancelled', finishedAt: new Date(this.clock.now()) },
    });
    const row = await this.find(this.db.client, caller, resendId);
    if (count === 0 && row.status !== 'cancelled') throw new Problem('conflict', `The resend has ${row.status} already.`);
    return this.view(row);
  }

  private async make(caller: Caller, dryRun: boolean, resendId: string | undefined, plan: (tx: Tx, now: Date) => Promise<Plan>): Promise<ResendAnswer> {
    if (dryRun) return answerOf(true, await plan(this.db.client, new Date(this.clock.now())));
    const answer = await this.db.transaction(async (tx) => {
      const now = new Date(this.clock.now());
      const known = resendId && (await tx.resend.findFirst({ where: { resendId, tenantId: caller.tenantId }, include: { parts: true } }));
      if (known) return { ...this.view(known), ...answerOf(false, planOf(known)) };
      const made = await plan(tx, now);
      const { kind, webhookId, selection, parts, leftOut, rate } = made;
      const row = await tx.resend.create({
        data: {
          resendId: resendId ?? uuidv7(now.getTime()), tenantId: caller.tenantId, kind, webhookId, selection: { ...selection } as Prisma.InputJsonObject, leftOut: leftOut as unknown as Prisma.InputJsonArray, status: 'queued',
          ratePerSecond: rate, totalCount: parts.reduce((sum, { totalCount }) => sum + totalCount, 0), advanceAt: now, createdAt: now, parts: { createMany: { data: parts } },
        },
      });
      return { ...this.view(row), ...answerOf(false, made) };
    });
    this.loop.wake();
    return answer;
  }

  private async planNamed(tx: Tx, caller: Caller, webhook: Webhook, eventIds: string[], rate?: number): Promise<Plan> {
    const places = await this.events.locate(tx, caller.tenantId, eventIds);
    const { webhookId } = webhook;
    const approved = await approvedPatterns(tx, webhook);
    const counts = await countNamedEvents(tx, caller.tenantId, webhookId, places);
    const totalCount = counts.filter(({ event_type }) => approved === null || matches(approved, event_type)).reduce((sum, { count }) => sum + count, 0);
    const missing = eventIds.length - places.length;
    const selection = { event_ids: eventIds, places: places.map(({ event_id, recorded_at }) => ({ event_id, recorded_at: recorded_at.toISOString() })), to: new Date(this.clock.now()).toISOString() };
    return { kind: 'replay', webhookId, selection, parts: [{ step: 'events', webhookId, totalCount }], leftOut: missing > 0 ? [{ reason: 'event_not_found', count: missing }] : [], rate };
  }

  /** Nothing could ever be chosen by it: most likely a wrong year or zone. */
  private refuseFuture(pointer: string, time: string | undefined): void {
    if (time !== undefined && Date.parse(time) > this.clock.now()) throw Problem.invalid({ pointer, detail: 'lies in the future' });
  }

  private async requireOpen(tx: Tx, caller: Caller, webhookId: string): Promise<Webhook> {
    const webhook = await this.webhooks.find(tx, caller, webhookId);
    if (webhook.disabledAt) throw new Problem('conflict', 'The webhook is disabled. Set is_active to true first.');
    return webhook;
  }

  private async find(tx: Tx, caller: Caller, resendId: string): Promise<Resend> {
    const row = await tx.resend.findFirst({ where: { resendId, tenantId: caller.tenantId } });
    if (!row) throw Problem.notFound('resend');
    return row;
  }

  private oldestKept(now: Date): Date {
    return oldestKept(now.getTime(), this.config.EVENT_RETENTION_DAYS);
  }

  private view(row: Row, withIds = true): ResendView {
    const { places: _, events: __, delivery_ids, event_ids, ...asked } = row.selection as Selection;
    const past = row.doneCount + row.skippedCount;
    return {
      resend_id: row.resendId, kind: row.kind, webhook_id: row.webhookId, selection: { ...asked, ...(withIds && { delivery_ids, event_ids }) }, status: row.status, rate_per_second: row.ratePerSecond,
      total_count: row.totalCount, done_count: row.doneCount, skipped_count: row.skippedCount,
      progress: row.status === 'succeeded' ? 1 : row.totalCount === 0 ? 0 : Math.min(1, past / row.totalCount),
      estimated_seconds_left: this.secondsLeft(row, past), error: row.error,
      created_at: row.createdAt.toISOString(), started_at: row.startedAt?.toISOString() ?? null, finished_at: row.finishedAt?.toISOString() ?? null,
    };
  }

  private secondsLeft({ finishedAt, startedAt, ratePerSecond, totalCount }: Row, past: number): number | null {
    if (finishedAt) return 0;
    const left = Math.max(0, totalCount - past);
    if (ratePerSecond) return Math.ceil(left / ratePerSecond);
    return startedAt && past > 0 ? Math.ceil((left * (this.clock.now() - startedAt.getTime())) / 1000 / past) : null;
  }
}

function answerOf(dryRun: boolean, { parts, leftOut, rate }: Plan): ResendAnswer {
  const webhooks = new Map<string, number>();
  for (const { webhookId, totalCount } of parts) webhooks.set(webhookId, (webhooks.get(webhookId) ?? 0) + totalCount);
  const count = [...webhooks.values()].reduce((sum, some) => sum + some, 0);
  return {
    dry_run: dryRun, count, webhooks: [...webhooks].map(([webhook_id, some]) => ({ webhook_id, count: some })).filter((some) => some.count > 0).sort((a, b) => b.count - a.count),
    skipped: leftOut, estimated_seconds: rate ? Math.ceil(count / rate) : null,
  };
}

/** The plan that a resend was made by. */
function planOf(row: Resend & { parts: ResendPart[] }): Plan {
  return {
    kind: row.kind as Kind, selection: row.selection as Selection, leftOut: row.leftOut as unknown as LeftOut[], rate: row.ratePerSecond ?? undefined,
    parts: row.parts.map(({ step, webhookId, totalCount }) => ({ step: step as Step, webhookId, totalCount })),
  };
}

function readCounts(counts: LetterCount[]): Pick<Plan, 'parts' | 'leftOut'> {
  const leftOut = counts.flatMap(({ webhook_id, count, past_retention, deleted, disabled }): LeftOut[] => [
    ...(past_retention > 0 ? [{ reason: 'past_retention' as const, count: past_retention, webhook_id }] : []),
    ...(count > 0 && (deleted || disabled) ? [{ reason: deleted ? ('webhook_deleted' as const) : ('webhook_disabled' as const), count, webhook_id }] : []),
  ]);
  const parts = counts.filter(({ count, deleted, disabled }) => count > 0 && !deleted && !disabled);
  return { parts: parts.map(({ webhook_id, count }) => ({ step: 'letters' as const, webhookId: webhook_id, totalCount: count })), leftOut };
}

/** The earlier of a time of the wire, when given, and now. */
function earlier(time: string | undefined, now: Date): Date {
  return new Date(Math.min(time === undefined ? now.getTime() : Date.parse(time), now.getTime()));
}
