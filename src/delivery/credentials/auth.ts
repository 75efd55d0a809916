import { type Fault, pointerTo } from '../../platform/index.js';

export interface OAuth2 {
  type: 'oauth2';
  token_url: string;
  client_id: string;
  client_secret: string;
  scope?: string;
  audience?: string;
  /** How the client shows itself to the token endpoint: in a Basic header, or in the form. */
  client_auth: 'basic' | 'body';
}

/** What the `authorization` header of a delivery is made of. */
export type Auth = { type: 'none' } | { type: 'basic'; username: string; password: string } | { type: 'bearer'; token: string } | OAuth2;

type Rule = [need: 'needed' | 'optional', pattern: RegExp, words: string];

const URL_TEXT: Rule = ['needed', /^.{1,2048}$/s, 'must be 1 to 2048 characters'];
/** RFC 6749, appendix A: VSCHAR for the client, scope tokens separated by spaces. */
const FIELDS: Record<Auth['type'], Record<string, Rule>> = {
  none: {},
  basic: {
    username: ['needed', /^[^\x00-\x1f\x7f:]{1,256}$/, 'must be 1 to 256 characters, without colons and control characters'],
    password: ['needed', /^[^\x00-\x1f\x7f]{0,1024}$/, 'must be at most 1024 characters, without control characters'],
  },
  bearer: { token: ['needed', /^[\x21-\x7e]{1,8192}$/, 'must be 1 to 8192 visible ASCII characters, without spaces'] },
  oauth2: {
    token_url: URL_TEXT,
    client_id: ['needed', /^[\x20-\x7e]{1,1024}$/, 'must be 1 to 1024 printable ASCII characters'],
    client_secret: ['needed', /^[\x20-\x7e]{1,4096}$/, 'must be 1 to 4096 printable ASCII characters'],
    scope: ['optional', /^(?=.{1,2048}$)[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scopes separated by single spaces, 2048 characters at most'],
    audience: ['optional', /^[\x20-\x7e]{1,2048}$/, 'must be 1 to 2048 printable ASCII characters'],
    client_auth: ['optional', /^(basic|body)$/, 'must be "basic" or "body"'],
  },
};

/** The fields that answers never show. */
export const AUTH_SECRETS = new Set(['password', 'token', 'client_secret']);

/** Reads `auth` from the wire. Whether `token_url` may be reached is for the caller to find out. */
export function readAuth(value: unknown): Auth | Fault[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [{ pointer: '/auth', detail: 'must be an object' }];
  const { type } = value as { type?: unknown };
  if (typeof type !== 'string' || !Object.hasOwn(FIELDS, type)) return [{ pointer: '/auth/type', detail: `must be one of ${Object.keys(FIELDS).join(', ')}` }];
  const rules = FIELDS[type as Auth['type']];
  const faults: Fault[] = Object.keys(value).filter((name) => name !== 'type' && !Object.hasOwn(rules, name)).map((name) => ({ pointer: pointerTo('/auth', name), detail: `is not known for type ${type}` }));
  for (const [name, [need, pattern, words]] of Object.entries(rules)) {
    const field = (value as Record<string, unknown>)[name];
    if (field === undefined && need === 'needed') faults.push({ pointer: `/auth/${name}`, detail: `is needed for type ${type}` });
    else if (field !== undefined && (typeof field !== 'string' || !pattern.test(field))) faults.push({ pointer: `/auth/${name}`, detail: words });
  }
  if (faults.length > 0) return faults;
  return (type === 'oauth2' ? { client_auth: 'basic', ...value } : { ...value }) as Auth;
}

/** The `authorization` header that needs nobody to be asked. */
export function fixedAuthorization(auth: Auth): string | undefined {
  if (auth.type === 'basic') return `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
  return auth.type === 'bearer' ? `Bearer ${auth.token}` : undefined;
}
