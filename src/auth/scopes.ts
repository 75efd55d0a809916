/** What a key may be allowed to do: `<resource>:<read|write|approve>`, or `*` for everything in its tenant. */
export const SCOPES = [
  '*',
  // `events:read_sensitive` adds to other scopes: fields that event types call sensitive are not masked.
  'events:read', 'events:read_sensitive', 'events:write',
  'event-types:read', 'event-types:write',
  'sources:read', 'sources:write',
  'webhooks:read', 'webhooks:write',
  'deliveries:read', 'deliveries:write',
  'partners:read', 'partners:write',
  'subscriptions:read', 'subscriptions:write', 'subscriptions:approve',
  'cost:read', 'cost:write',
  'datalake:read', 'datalake:write',
  'api-keys:read', 'api-keys:write',
  'audit:read',
  // Not covered by `*`: they are about the whole house, so only the first tenant's admin key carries them.
  'tenants:write', 'operations:read', 'operations:write',
] as const;

export type Scope = (typeof SCOPES)[number];

/** What the first tenant's admin key may do beside everything in its tenant. */
export const OPERATOR_SCOPES: readonly Scope[] = ['tenants:write', 'operations:read', 'operations:write'];

/** Whether somebody who holds `held` may do what `scope` names. */
export function permits(held: readonly string[], scope: Scope): boolean {
  return held.includes(scope) || (!OPERATOR_SCOPES.includes(scope) && held.includes('*'));
}
