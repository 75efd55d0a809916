/** What a key may be allowed to do: `<resource>:<read|write|approve>`, or `*` for everything in its tenant. */
export const SCOPES = [
  '*',
  // `events:read_sensitive` adds to other scopes: fields that event types call sensitive are not masked.
  'events:read', 'events:read_sensitive', 'events:write',
  'event-types:read', 'event-types:write',
  'webhooks:read', 'webhooks:write',
  'deliveries:read', 'deliveries:write',
  'partners:read', 'partners:write',
  'subscriptions:read', 'subscriptions:write', 'subscriptions:approve',
  'api-keys:read', 'api-keys:write',
  'audit:read',
  // Not covered by `*`: only the first tenant's admin key carries it.
  'tenants:write',
] as const;

export type Scope = (typeof SCOPES)[number];

/** Whether somebody who holds `held` may do what `scope` names. */
export function permits(held: readonly string[], scope: Scope): boolean {
  return held.includes(scope) || (scope !== 'tenants:write' && held.includes('*'));
}
