/** Of two views of the same thing, as the audit log holds them, only the members that differ. */
export function differenceOf(before: Record<string, unknown>, after: Record<string, unknown>): { before: Record<string, unknown>; after: Record<string, unknown> } {
  const changed = Object.keys(after).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  const pick = (view: Record<string, unknown>): Record<string, unknown> => Object.fromEntries(changed.map((name) => [name, view[name]]));
  return { before: pick(before), after: pick(after) };
}
