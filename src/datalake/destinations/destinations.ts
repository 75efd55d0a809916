import { resolve } from 'node:path';
import { Injectable } from '@nestjs/common';
import { Audit, type Caller, differenceOf } from '../../auth/index.js';
import { AddressGuard, Clock, Config, Database, type Destination, type Fault, findDestinationFault, openStore, pageOf, Prisma, Problem, readCursor, Sealer, StoreFault, type StoreSettings, type Tx, uuidv7 } from '../../platform/index.js';
import { type Credentials, hintOf, keepsStored, maskedOf, readCredentials } from './credentials.js';
import type { ChangeDestination, CreateDestination, DestinationPage, DestinationView, Probed } from './destinations.dto.js';
import { holdDestination, isFirstTenant, lockDestination, lockDestinationQuota } from './destinations.sql.js';
import { type GivenLocation, type Location, readLocation, type ServerSideEncryption } from './location.js';
import { probe } from './probe.js';

const MAX_DESTINATIONS = 100;
/** A person waits for a probe. */
const PROBING = { timeoutMs: 3_000, attempts: 2 };

/** A store, and what comes before `exports/…` in its keys: nothing, or names with a slash at the end. */
export interface Place {
  settings: StoreSettings;
  root: string;
}

/** Where exports are written to: the house's own disk, and what tenants name beside it. Credentials come in here and leave only for the store. */
@Injectable()
export class Destinations {
  constructor(
    private readonly db: Database,
    private readonly sealer: Sealer,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly audit: Audit,
  ) {}

  async create(tx: Tx, caller: Caller, fields: CreateDestination): Promise<DestinationView> {
    const { location, credentials } = this.read(fields);
    await this.requireCredentials(tx, caller, location, credentials);
    await lockDestinationQuota(tx, caller.tenantId);
    if ((await tx.destination.count({ where: { tenantId: caller.tenantId } })) >= MAX_DESTINATIONS) throw new Problem('conflict', `The tenant has ${MAX_DESTINATIONS} destinations, which is the limit. Delete one first.`);
    const now = new Date(this.clock.now());
    const destinationId = uuidv7(now.getTime());
    const row = await tx.destination.create({
      data: { destinationId, tenantId: caller.tenantId, name: fields.name, type: location.type, ...storable(location), credentials: this.seal(destinationId, credentials), createdAt: now, updatedAt: now },
    });
    await this.record(tx, caller, 'created', row, { after: auditedOf(row) });
    return this.view(row);
  }

  async list(tx: Tx, caller: Caller, limit: number, cursor?: string): Promise<DestinationPage> {
    const after = readCursor(cursor);
    const rows = await tx.destination.findMany({ where: { tenantId: caller.tenantId, ...(after && { destinationId: { lt: after[1] } }) }, orderBy: { destinationId: 'desc' }, take: limit + 1 });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.destinationId], (row) => this.view(row));
  }

  async get(tx: Tx, caller: Caller, destinationId: string): Promise<DestinationView> {
    return this.view(await this.find(tx, caller, destinationId));
  }

  /** Sets the fields given, and with `isWhole` the others to their defaults. Credentials that are left out stay. */
  async change(tx: Tx, caller: Caller, destinationId: string, fields: ChangeDestination, isWhole = false): Promise<DestinationView> {
    await lockDestination(tx, caller.tenantId, destinationId);
    const before = await this.find(tx, caller, destinationId);
    const { location, credentials } = this.read(fields, before, isWhole);
    if (fields.credentials !== undefined) await this.requireCredentials(tx, caller, location, credentials);
    if ((location.bucket !== before.bucket || location.prefix !== before.prefix) && (await tx.export.count({ where: { tenantId: caller.tenantId, destinationId } })) > 0) {
      throw new Problem('conflict', 'Exports have their files there, so `bucket` and `prefix` stay. Make another destination, or delete the exports first.');
    }
    const row = await tx.destination.update({
      where: { destinationId },
      data: { name: fields.name, ...storable(location), ...(fields.credentials !== undefined && { credentials: this.seal(destinationId, credentials) }), updatedAt: new Date(this.clock.now()) },
    });
    const given = Object.entries(fields).filter(([, value]) => value !== undefined).map(([name]) => name);
    const change = differenceOf(auditedOf(before), auditedOf(row));
    await this.record(tx, caller, 'changed', row, { before: change.before, after: { ...change.after, fields: given.sort() } });
    return this.view(row);
  }

  /** Refused while anything refers to it. What stands there stays there. */
  async delete(tx: Tx, caller: Caller, destinationId: string): Promise<void> {
    await lockDestination(tx, caller.tenantId, destinationId);
    const before = await this.find(tx, caller, destinationId);
    try {
      await tx.destination.delete({ where: { destinationId } });
    } catch (error) {
      if (!isReferredTo(error)) throw error;
      throw new Problem('conflict', 'Exports or schedules refer to the destination. Delete them first.');
    }
    await this.record(tx, caller, 'deleted', before, { before: auditedOf(before) });
  }

  /** Refuses what cannot be used, by itself or with what is `stored`. Asks DNS, so it is called before any transaction. */
  async check(fields: ChangeDestination, stored?: Destination, isWhole = false): Promise<void> {
    this.read(fields, stored, isWhole);
    if (typeof fields.endpoint !== 'string') return;
    const detail = await findDestinationFault(fields.endpoint, new AddressGuard(this.allowanceFor(fields.endpoint)));
    if (detail) throw Problem.invalid({ pointer: '/endpoint', detail });
  }

  /** Tries out what exports will do. Takes some seconds where it is slow, so no transaction is open meanwhile. */
  async test(caller: Caller, destinationId: string): Promise<Probed> {
    await this.find(this.db.client, caller, destinationId);
    const { settings, root } = await this.storeOf(caller.tenantId, destinationId);
    const store = openStore({ ...settings, ...PROBING });
    try {
      const { steps, conditionalWrites } = await probe(store, root, uuidv7(this.clock.now()));
      return {
        destination_id: destinationId,
        ok: steps.every(({ status }) => status === 'ok'),
        steps: steps.map(({ step, status, durationMs, fault }) => ({ step, status, duration_ms: durationMs, reason: fault?.reason ?? null, permission: fault?.permission ?? null, error: fault?.message ?? null })),
        missing_permissions: [...new Set(steps.flatMap(({ fault }) => fault?.permission ?? []))],
        conditional_writes: conditionalWrites,
      };
    } finally {
      store.close();
    }
  }

  /** The row of a caller's destination, or 404. */
  async find(tx: Tx, caller: Caller, destinationId: string): Promise<Destination> {
    const row = await tx.destination.findFirst({ where: { destinationId, tenantId: caller.tenantId } });
    if (!row) throw Problem.notFound('destination');
    return row;
  }

  /** Whether an export or a schedule of the caller may refer to it, until the transaction ends. */
  isKnown(tx: Tx, { tenantId }: Caller, destinationId: string): Promise<boolean> {
    return holdDestination(tx, tenantId, destinationId);
  }

  /** Where a tenant's exports go; null is the house's own disk. Throws a `Problem` where that is gone, or its credentials do not open. */
  async storeOf(tenantId: string, destinationId: string | null): Promise<Place> {
    if (destinationId === null) return { settings: { type: 'disk', folder: resolve(this.config.DATA_DIR, 'lake') }, root: `${tenantId}/` };
    const row = await this.db.client.destination.findFirst({ where: { destinationId, tenantId } });
    if (!row) throw Problem.notFound('destination');
    const { type, bucket, prefix, region, endpoint, path_style, server_side_encryption: encryption } = locationOf(row);
    if (type === 'disk') return { settings: { type, folder: resolve(this.config.DATA_DIR, 'destinations', tenantId, prefix) }, root: '' };
    const keys = this.open(row);
    if (keys === undefined) throw new Problem('conflict', 'The credentials of the destination were sealed with a key that SEALING_KEY does not hold any more. Give them anew.');
    return {
      settings: {
        type, bucket: bucket!, prefix, region: region!, pathStyle: path_style!, allowPrivate: this.allowanceFor(endpoint), timeoutMs: this.config.STORAGE_TIMEOUT_MS,
        ...(endpoint !== null && { endpoint }),
        ...(keys && { credentials: { accessKeyId: keys.access_key_id, secretAccessKey: keys.secret_access_key, sessionToken: keys.session_token } }),
        ...(encryption && { serverSideEncryption: encryption.type === 'AES256' ? { type: encryption.type } : { type: encryption.type, keyId: encryption.key_id } }),
      },
      root: '',
    };
  }

  /** Why a destination cannot be used just now, in words. Asks the store, so no transaction is open meanwhile. */
  async findFault(tenantId: string, destinationId: string | null): Promise<string | undefined> {
    let store;
    try {
      const { settings, root } = await this.storeOf(tenantId, destinationId);
      store = openStore({ ...settings, ...PROBING });
      for await (const _ of store.list(`${root}exports/_probe/`)) break;
      return undefined;
    } catch (error) {
      if (error instanceof StoreFault || error instanceof Problem) return error.message;
      throw error;
    } finally {
      store?.close();
    }
  }

  /** What the fields make of what is stored. Throws a 422 with all that is wrong. */
  private read(fields: ChangeDestination, stored?: Destination, isWhole = true): { location: Location; credentials: Credentials | null } {
    const before = stored && locationOf(stored);
    const given: GivenLocation = before && !isWhole ? { ...before, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) } : fields;
    const [location, credentials] = [readLocation(given), readCredentials(fields.credentials, stored && this.open(stored))];
    const faults: Fault[] = [location, credentials].flatMap((read) => (Array.isArray(read) ? read : []));
    if (before && given.type !== before.type) faults.push({ pointer: '/type', detail: 'stays as it was made; make another destination' });
    if (given.type === 'disk' && credentials !== null && !Array.isArray(credentials)) faults.push({ pointer: '/credentials', detail: 'are known to destinations of type s3 only' });
    // Who may point a destination elsewhere may not thereby have its credentials used there.
    if (before && !Array.isArray(location) && stored.credentials !== null && originOf(location) !== originOf(before) && keepsStored(fields.credentials)) {
      faults.push({ pointer: fields.credentials === undefined ? '/endpoint' : '/credentials', detail: 'the endpoint is another one, so `credentials` must be given anew, without masks' });
    }
    if (faults.length > 0 || Array.isArray(location) || Array.isArray(credentials)) throw Problem.invalid(...faults);
    return { location, credentials };
  }

  /** Which private addresses an endpoint may stand at, as {@link AddressGuard} takes it. */
  private allowanceFor(endpoint: string | null): string | undefined {
    return endpoint !== null && URL.canParse(endpoint) && this.config.privateEndpoints.includes(new URL(endpoint).origin) ? 'true' : this.config.OUTBOUND_ALLOW_PRIVATE;
  }

  /** The machine's own credentials open what whoever runs this house has at the provider: that is for the first tenant, not for guests. */
  private async requireCredentials(tx: Tx, { tenantId }: Caller, { type }: Location, credentials: Credentials | null): Promise<void> {
    if (type !== 's3' || credentials || (await isFirstTenant(tx, tenantId))) return;
    throw Problem.invalid({ pointer: '/credentials', detail: 'must be given: only the first tenant may use those of the machine' });
  }

  private seal(destinationId: string, credentials: Credentials | null): string | null {
    return credentials ? this.sealer.seal(JSON.stringify(credentials), placeOf(destinationId)) : null;
  }

  /** Null where there are none, undefined where they do not open. */
  private open({ destinationId, credentials }: Destination): Credentials | null | undefined {
    if (credentials === null) return null;
    try {
      return JSON.parse(this.sealer.open(credentials, placeOf(destinationId))) as Credentials;
    } catch {
      return undefined;
    }
  }

  private record(tx: Tx, caller: Caller, verb: string, { destinationId }: Destination, change: { before?: object; after?: object }): Promise<void> {
    return this.audit.record(tx, caller, { action: `destination.${verb}`, subject_type: 'destination', subject_id: destinationId, ...change });
  }

  private view(row: Destination): DestinationView {
    const { destinationId, name, createdAt, updatedAt } = row;
    const keys = this.open(row);
    return {
      destination_id: destinationId, name, ...locationOf(row), credentials: keys ? maskedOf(keys) : null, access_key_hint: keys ? hintOf(keys) : null,
      created_at: createdAt.toISOString(), updated_at: updatedAt.toISOString(),
    };
  }
}

/** Where sealed credentials belong, for their authentication. */
function placeOf(destinationId: string): string {
  return `destinations.credentials:${destinationId}`;
}

function locationOf({ type, bucket, prefix, region, endpoint, pathStyle, serverSideEncryption }: Destination): Location {
  return { type: type as Location['type'], bucket, prefix, region, endpoint, path_style: pathStyle, server_side_encryption: serverSideEncryption as unknown as ServerSideEncryption | null };
}

function storable({ bucket, prefix, region, endpoint, path_style, server_side_encryption }: Location) {
  return { bucket, prefix, region, endpoint, pathStyle: path_style, serverSideEncryption: (server_side_encryption as unknown as Prisma.InputJsonObject | null) ?? Prisma.DbNull };
}

/** Who hears requests to it. */
function originOf({ endpoint }: Location): string {
  return endpoint !== null && URL.canParse(endpoint) ? new URL(endpoint).origin : '';
}

/** Whether Postgres refused because another table refers to the row. */
function isReferredTo(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2003';
}

/** What the audit log holds of a destination: of credentials only whose they are. */
function auditedOf(row: Destination): Record<string, unknown> {
  return { name: row.name, ...locationOf(row), credentials: row.credentials === null ? 'of the machine' : 'its own' };
}
