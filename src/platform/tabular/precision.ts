/** A decimal takes up to 10^18 in eight bytes, which every engine reads fastest; more digits take sixteen. */
export type Precision = 18 | 38;

/** A decimal of precision 18 met a number that needs 38. */
export class NeedsPrecision extends Error {
  constructor(readonly column: string) {
    super(`${column} needs more than 18 digits`);
  }
}
