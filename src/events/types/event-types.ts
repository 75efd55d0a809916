import { Injectable } from '@nestjs/common';
import { Audit, type Caller, permits } from '../../auth/index.js';
import { Clock, Database, type EventType, type EventTypeVersion, type Fault, pageOf, Prisma, Problem, readCursor, type Tx } from '../../platform/index.js';
import { EVENT_TYPE } from '../publish.js';
import { type Compatibility, findIncompatibilities, type Incompatibility } from '../schemas/compatibility.js';
import { findSchemaFaults } from '../schemas/read-schema.js';
import type { Schema } from '../schemas/walk.js';
import { BUILT_INS } from './built-ins.js';
import { Catalogues } from './catalogues.js';
import { type CreateEventType, type CreateVersion, type EventTypePage, EventTypeView, type ReplaceEventType, type VersionPage, VersionView } from './event-types.dto.js';
import { changeCatalogue } from './event-types.sql.js';
import { findPathFaults } from './sensitive.js';

/** Of one tenant: every process that serves it holds them all. */
const MAX_TYPES = 1_000;
/** Of one type. */
const MAX_VERSIONS = 200;

const ACTIVE = 'ACTIVE';

/** Event types as their tenants register them, with the versions of their schemas. */
@Injectable()
export class EventTypes {
  constructor(private readonly db: Database, private readonly clock: Clock, private readonly audit: Audit, private readonly catalogues: Catalogues) {}

  /** Runs `work` as one change of a caller's types: others of the tenant wait, and this process sees it as soon as it is committed. */
  async change<T>({ tenantId }: Caller, work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.db.transaction(async (tx) => {
        await changeCatalogue(tx, tenantId);
        return work(tx);
      });
    } finally {
      this.catalogues.forget(tenantId);
    }
  }

  /** Registers a type. One that was archived comes back with its versions, all of them INACTIVE but the one given. */
  async create(tx: Tx, caller: Caller, { name, schema, ...fields }: CreateEventType): Promise<EventTypeView> {
    refuseFaults([...(schema === undefined ? [] : findSchemaFaults(schema)), ...findPathFaults(fields.contains_sensitive)]);
    refuseBuiltIn(name);
    const { tenantId } = caller;
    const before = await tx.eventType.findUnique({ where: { tenantId_name: { tenantId, name } } });
    if (before && !before.archivedAt) throw new Problem('conflict', `The event type ${name} is registered already.`);
    if (!before && (await tx.eventType.count({ where: { tenantId } })) >= MAX_TYPES) throw new Problem('conflict', `There are ${MAX_TYPES} event types, which is the limit.`);
    if (before) requireSight(caller, before, fields.contains_sensitive);
    const number = schema === undefined ? 0 : await this.nextVersion(tx, tenantId, name);
    const at = new Date(this.clock.now());
    const columns = { ...columnsOf(fields), archivedAt: null, updatedAt: at };
    const row = await tx.eventType.upsert({ where: { tenantId_name: { tenantId, name } }, create: { tenantId, name, ...columns, createdAt: at }, update: columns });
    const version = schema === undefined ? undefined : await this.insertVersion(tx, row, number, schema, fields.compatibility);
    await this.record(tx, caller, 'created', name, { after: { ...fields, version: version?.version ?? null } });
    return EventTypeView.of(row, version);
  }

  /** A page of types by name, ours among them. */
  async list(tx: Tx, { tenantId }: Caller, archived: boolean, limit: number, cursor?: string): Promise<EventTypePage> {
    const after = readCursor(cursor, EVENT_TYPE)?.[1];
    const rows = await tx.eventType.findMany({ where: { tenantId, ...(!archived && { archivedAt: null }), ...(after !== undefined && { name: { gt: after } }) }, orderBy: { name: 'asc' }, take: limit + 1 });
    const active = await this.newestActive(tx, tenantId, rows.filter(({ archivedAt }) => !archivedAt).map(({ name }) => name));
    const ours = [...BUILT_INS.values()].filter(({ name }) => after === undefined || name > after).map(EventTypeView.ofBuiltIn);
    const views = [...rows.map((row) => EventTypeView.of(row, active.get(row.name))), ...ours].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, limit + 1);
    return pageOf(views, limit, ({ name }) => [EPOCH, name], (view) => view);
  }

  async get(tx: Tx, { tenantId }: Caller, name: string): Promise<EventTypeView> {
    const ours = BUILT_INS.get(name);
    if (ours) return EventTypeView.ofBuiltIn(ours);
    const row = await this.find(tx, tenantId, name);
    return EventTypeView.of(row, row.archivedAt ? undefined : (await this.newestActive(tx, tenantId, [name])).get(name));
  }

  /** Sets every field but the schema; those left out get their defaults. */
  async replace(tx: Tx, caller: Caller, name: string, { description, contains_sensitive, compatibility }: ReplaceEventType): Promise<EventTypeView> {
    const fields = { description, contains_sensitive, compatibility };
    refuseFaults(findPathFaults(contains_sensitive));
    const before = await this.findOpen(tx, caller, name);
    requireSight(caller, before, contains_sensitive);
    const row = await tx.eventType.update({ where: { tenantId_name: { tenantId: caller.tenantId, name } }, data: { ...columnsOf(fields), updatedAt: new Date(this.clock.now()) } });
    await this.record(tx, caller, 'changed', name, { before: auditedOf(before), after: auditedOf(row) });
    return this.get(tx, caller, name);
  }

  /** Takes a type out of use. What is sensitive in its stored events stays so. */
  async archive(tx: Tx, caller: Caller, name: string): Promise<void> {
    const before = await this.findOpen(tx, caller, name);
    const { tenantId } = caller;
    await tx.eventTypeVersion.updateMany({ where: { tenantId, name }, data: { status: 'INACTIVE' } });
    await tx.eventType.update({ where: { tenantId_name: { tenantId, name } }, data: { archivedAt: new Date(this.clock.now()) } });
    await this.record(tx, caller, 'archived', name, { before: auditedOf(before) });
  }

  /** Adds a version, which is ACTIVE from now on, unless it breaks with the newest ACTIVE one what it has to keep. */
  async addVersion(tx: Tx, caller: Caller, name: string, { schema, compatibility }: CreateVersion): Promise<VersionView> {
    refuseFaults(findSchemaFaults(schema));
    const type = await this.findOpen(tx, caller, name);
    const asked = compatibility ?? (type.compatibility as Compatibility);
    const latest = (await this.newestActive(tx, caller.tenantId, [name])).get(name);
    const broken = latest ? incompatibilitiesOf(latest, schema, asked) : [];
    refuseFaults(broken.map((found) => ({ pointer: `/schema${found.pointer}`, detail: sentenceOf(found) })));
    const row = await this.insertVersion(tx, type, await this.nextVersion(tx, caller.tenantId, name), schema, asked);
    await this.record(tx, caller, 'version_created', name, { after: { version: row.version, compatibility: asked } });
    return VersionView.of(row);
  }

  /** The versions of a type, newest first; at most {@link MAX_VERSIONS}, so one page. */
  async listVersions(tx: Tx, caller: Caller, name: string): Promise<VersionPage> {
    if (BUILT_INS.has(name)) return { data: [], next_cursor: null };
    await this.find(tx, caller.tenantId, name);
    const rows = await tx.eventTypeVersion.findMany({ where: { tenantId: caller.tenantId, name }, orderBy: { version: 'desc' } });
    return { data: rows.map(VersionView.of), next_cursor: null };
  }

  async setStatus(tx: Tx, caller: Caller, name: string, number: string, status: string): Promise<VersionView> {
    await this.findOpen(tx, caller, name);
    if (!/^[1-9]\d{0,5}$/.test(number)) throw Problem.notFound('version');
    const version = Number(number);
    const where = { tenantId_name_version: { tenantId: caller.tenantId, name, version } };
    const before = await tx.eventTypeVersion.findUnique({ where });
    if (!before) throw Problem.notFound('version');
    const row = await tx.eventTypeVersion.update({ where, data: { status } });
    await this.record(tx, caller, 'version_status_changed', name, { before: { version, status: before.status }, after: { version, status } });
    return VersionView.of(row);
  }

  /** The newest ACTIVE version of each of these types. */
  async newestActive(tx: Tx, tenantId: string, names: string[]): Promise<Map<string, EventTypeVersion>> {
    const rows = await tx.eventTypeVersion.findMany({ where: { tenantId, name: { in: names }, status: ACTIVE }, orderBy: [{ name: 'asc' }, { version: 'desc' }], distinct: ['name'] });
    return new Map(rows.map((row) => [row.name, row]));
  }

  /** A type's row, whatever its state. */
  peek(tx: Tx, { tenantId }: Caller, name: string): Promise<EventType | null> {
    return tx.eventType.findUnique({ where: { tenantId_name: { tenantId, name } } });
  }

  private async find(tx: Tx, tenantId: string, name: string): Promise<EventType> {
    const row = EVENT_TYPE.test(name) ? await tx.eventType.findUnique({ where: { tenantId_name: { tenantId, name } } }) : null;
    if (!row) throw Problem.notFound('event type');
    return row;
  }

  /** A type that can be changed. */
  private async findOpen(tx: Tx, { tenantId }: Caller, name: string): Promise<EventType> {
    refuseBuiltIn(name);
    const row = await this.find(tx, tenantId, name);
    if (row.archivedAt) throw new Problem('conflict', `The event type ${name} is archived. Register it again first.`);
    return row;
  }

  /** The number of the version to come. Asked before anything is written: an import goes on after a refusal. */
  private async nextVersion(tx: Tx, tenantId: string, name: string): Promise<number> {
    const newest = await tx.eventTypeVersion.findFirst({ where: { tenantId, name }, orderBy: { version: 'desc' }, select: { version: true } });
    const version = (newest?.version ?? 0) + 1;
    if (version > MAX_VERSIONS) throw new Problem('conflict', `The event type ${name} has ${MAX_VERSIONS} versions, which is the limit.`);
    return version;
  }

  private insertVersion(tx: Tx, { tenantId, name }: EventType, version: number, schema: object, compatibility: string): Promise<EventTypeVersion> {
    return tx.eventTypeVersion.create({ data: { tenantId, name, version, schema: schema as Prisma.InputJsonObject, status: ACTIVE, compatibility, createdAt: new Date(this.clock.now()) } });
  }

  private record(tx: Tx, caller: Caller, verb: string, name: string, change: { before?: object; after?: object }): Promise<void> {
    return this.audit.record(tx, caller, { action: `event_type.${verb}`, subject_type: 'event_type', subject_id: name, ...change });
  }
}

/** Cursors of this list are names; they carry a time because all cursors do. */
const EPOCH = new Date(0).toISOString();

/** What a new schema does not keep of the version it follows. */
export function incompatibilitiesOf(latest: EventTypeVersion, schema: object, compatibility: Compatibility): Incompatibility[] {
  return findIncompatibilities(latest.schema as Schema, schema as Schema, compatibility, `version ${latest.version}`);
}

export function sentenceOf({ direction, path, detail }: Incompatibility): string {
  return `is not ${direction} compatible at ${path === '' ? 'the root' : path}: ${detail}`;
}

function columnsOf({ description, contains_sensitive, compatibility }: ReplaceEventType): Pick<EventType, 'description' | 'containsSensitive' | 'compatibility'> {
  return { description, containsSensitive: contains_sensitive, compatibility };
}

function auditedOf({ description, containsSensitive, compatibility }: EventType): object {
  return { description, contains_sensitive: containsSensitive, compatibility };
}

function refuseFaults(faults: Fault[]): void {
  if (faults.length > 0) throw Problem.invalid(...faults);
}

function refuseBuiltIn(name: string): void {
  if (BUILT_INS.has(name)) throw new Problem('conflict', `The event type ${name} is built in and cannot be registered or changed.`);
}

/** Who may not see a field may not have it shown by leaving its path out. */
function requireSight(caller: Caller, { containsSensitive }: EventType, paths: string[]): void {
  const uncovered = containsSensitive.filter((path) => !paths.includes(path));
  if (uncovered.length > 0 && !permits(caller.scopes, 'events:read_sensitive')) {
    throw new Problem('forbidden', `Taking ${uncovered.join(', ')} out of contains_sensitive needs a key with the scope events:read_sensitive.`);
  }
}
