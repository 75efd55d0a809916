import type { PipeTransform } from '@nestjs/common';
import { Problem } from '../errors/problem.js';

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** An id in a path. What is no UUID names nothing, so it is 404 like any other unknown id. */
export class UuidParam implements PipeTransform<string, string> {
  constructor(private readonly what: string) {}

  transform(value: string): string {
    if (!UUID.test(value)) throw Problem.notFound(this.what);
    return value.toLowerCase();
  }
}
