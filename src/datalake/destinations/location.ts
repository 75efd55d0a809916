import { isIP } from 'node:net';
import { type Fault, isObject, pointerTo } from '../../platform/index.js';

/** How S3 is asked to encrypt what it stores. */
export interface ServerSideEncryption {
  type: 'AES256' | 'aws:kms';
  key_id?: string;
}

/** Where a destination is, as it is given and stored. Null: what the kind of destination has no use for, or AWS's own. */
export interface Location {
  type: 's3' | 'disk';
  bucket: string | null;
  prefix: string;
  region: string | null;
  endpoint: string | null;
  path_style: boolean | null;
  server_side_encryption: ServerSideEncryption | null;
}

export type GivenLocation = { [Name in keyof Location]?: unknown };

const MAX_PREFIX = 300;
const MAX_NAME = 100;
const MAX_URL = 500;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** It becomes part of a host's name. */
const REGION = /^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/;
/** What engines take for itself in a path, and S3 in a key. */
const PREFIX = /^[\w.=+@/-]*$/;
const S3_ONLY = ['bucket', 'region', 'endpoint', 'path_style', 'server_side_encryption'] as const;
const DEFAULT_REGION = 'us-east-1';

/**
 * Reads where a destination is to be: what is left out or null gets its default. The prefix comes back without a slash at its end.
 * Whether the endpoint's host may be reached is not looked at.
 */
export function readLocation(given: GivenLocation): Location | Fault[] {
  const faults: Fault[] = [];
  const check = (name: keyof Location, detail: string | undefined): void => {
    if (detail) faults.push({ pointer: `/${name}`, detail });
  };
  const { type, prefix = '' } = given;
  const stripped = typeof prefix === 'string' ? prefix.replace(/\/$/, '') : prefix;
  check('prefix', findPrefixFault(stripped));
  if (type === 'disk') {
    for (const name of S3_ONLY) check(name, (given[name] ?? null) === null ? undefined : 'is known to destinations of type s3 only');
    return faults.length > 0 ? faults : { type, bucket: null, prefix: stripped as string, region: null, endpoint: null, path_style: null, server_side_encryption: null };
  }
  const { bucket, endpoint, server_side_encryption } = given;
  const region = given.region ?? (isGiven(endpoint) ? DEFAULT_REGION : undefined);
  const path_style = given.path_style ?? isGiven(endpoint);
  check('bucket', findBucketFault(bucket));
  check('region', isGiven(region) ? (typeof region === 'string' && REGION.test(region) ? undefined : 'must be the name of a region, such as eu-central-1, or auto') : 'must be given where there is no endpoint');
  if (isGiven(endpoint)) check('endpoint', findEndpointFault(endpoint));
  check('path_style', typeof path_style === 'boolean' ? undefined : 'must be true or false');
  if (isGiven(server_side_encryption)) faults.push(...findEncryptionFaults(server_side_encryption));
  if (faults.length > 0) return faults;
  return {
    type: 's3', bucket: bucket as string, prefix: stripped as string, region: region as string, endpoint: (endpoint ?? null) as string | null,
    path_style: path_style as boolean, server_side_encryption: (server_side_encryption ?? null) as ServerSideEncryption | null,
  };
}

/** By AWS's rules for names, which compatible services keep to. */
function findBucketFault(bucket: unknown): string | undefined {
  if (typeof bucket !== 'string') return 'must be given, as text';
  if (!BUCKET.test(bucket)) return 'must have 3 to 63 lower-case letters, digits, dots and hyphens, and begin and end with a letter or digit';
  if (/\.\.|\.-|-\./.test(bucket)) return 'must not hold two dots in a row, or a dot beside a hyphen';
  return isIP(bucket) ? 'must not look like an IP address' : undefined;
}

function findPrefixFault(prefix: unknown): string | undefined {
  if (typeof prefix !== 'string') return 'must be a text';
  if (prefix === '') return undefined;
  if (prefix.length > MAX_PREFIX) return `must not be longer than ${MAX_PREFIX} characters`;
  if (!PREFIX.test(prefix)) return 'must hold only letters, digits and any of _ - . = + @ /';
  for (const name of prefix.split('/')) {
    if (name === '') return 'must not begin with a slash, or hold two in a row';
    if (name.startsWith('.')) return 'must not hold names that begin with a dot';
    if (name.length > MAX_NAME) return `must not hold a name longer than ${MAX_NAME} characters`;
  }
  return undefined;
}

function findEndpointFault(endpoint: unknown): string | undefined {
  if (typeof endpoint !== 'string' || endpoint === '') return 'must be a URL';
  if (endpoint.length > MAX_URL) return `must not be longer than ${MAX_URL} characters`;
  return endpoint.includes('?') ? 'must not carry a query' : undefined;
}

function findEncryptionFaults(given: unknown): Fault[] {
  const pointer = '/server_side_encryption';
  if (!isObject(given)) return [{ pointer, detail: 'must be an object with `type`, or null' }];
  const { type, key_id, ...others } = given;
  const faults = Object.keys(others).map((name) => ({ pointer: pointerTo(pointer, name), detail: 'is not known here' }));
  if (type !== 'AES256' && type !== 'aws:kms') faults.push({ pointer: `${pointer}/type`, detail: 'must be AES256 or aws:kms' });
  if (key_id !== undefined && type === 'AES256') faults.push({ pointer: `${pointer}/key_id`, detail: 'belongs to the type aws:kms' });
  else if (key_id !== undefined && !(typeof key_id === 'string' && /^[\w:/+=,.@-]{1,2048}$/.test(key_id))) faults.push({ pointer: `${pointer}/key_id`, detail: 'must be the id, alias or ARN of a key' });
  return faults;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
