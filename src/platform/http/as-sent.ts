import { Transform } from 'class-transformer';

/** What the transformer is given, to what was sent. */
const originals = new WeakMap<object, Record<string, unknown>>();

/**
 * A copy without members named `constructor`, at any depth: the transformer takes one for the class of its object, calls it,
 * and fails. Where such a name is allowed, the field is {@link AsSent}.
 */
export function transformable(sent: unknown): unknown {
  if (Array.isArray(sent)) return sent.map(transformable);
  if (typeof sent !== 'object' || sent === null) return sent;
  const copy = Object.fromEntries(Object.entries(sent).filter(([name]) => name !== 'constructor').map(([name, value]) => [name, transformable(value)]));
  originals.set(copy, sent as Record<string, unknown>);
  return copy;
}

/** A field whose value is taken as it was sent, with every name in it. */
export const AsSent = (): PropertyDecorator => Transform(({ obj, key, value }: { obj: Record<string, unknown>; key: string; value: unknown }) => {
  const sent = (originals.get(obj) ?? obj)[key];
  return sent === undefined ? value : sent;
});
