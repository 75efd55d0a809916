import { createHash } from 'node:crypto';

/** Something that can be rolled out by degrees, declared as a value next to its owner. */
export interface Feature {
  readonly name: string;
  /** What it does and who its subjects are, for the operator who turns it. */
  readonly description: string;
  /** The share of subjects it is for, in percent, unless an operator has said otherwise. */
  readonly percentage: number;
}

/** Every feature declared so far, by name. */
export const features = new Map<string, Feature>();

/** Declares a feature, once. The name is dotted and in lower case, as it stands in the path. */
export function defineFeature(feature: Feature): Feature {
  if (features.has(feature.name)) throw new Error(`The feature ${feature.name} is declared twice`);
  features.set(feature.name, feature);
  return feature;
}

/**
 * Whether a feature rolled out to `percentage` is for a subject. Each subject has its place on the scale, the same in every process
 * and for good, and another one for each feature: raising the percentage only adds subjects, and who comes first differs.
 */
export function includes(name: string, percentage: number, subject: string): boolean {
  if (percentage <= 0) return false;
  return percentage >= 100 || placeOf(name, subject) < percentage;
}

/** From 0 to below 100. */
function placeOf(name: string, subject: string): number {
  return (createHash('sha256').update(`${name}\n${subject}`).digest().readUInt32BE() / 2 ** 32) * 100;
}
