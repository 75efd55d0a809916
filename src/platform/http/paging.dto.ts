import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { Problem } from '../errors/problem.js';
import { IsTime } from './time.js';
import { UUID } from './uuid-param.pipe.js';

/** Every list takes these and answers `{data, next_cursor}`, newest first. */
export class PageQuery {
  /** How many rows to answer, 1 to 200. */
  @IsOptional() @Transform(({ value }) => (/^\d+$/.test(String(value)) ? Number(value) : value)) @IsInt() @Min(1) @Max(200)
  limit: number = 50;

  /** `next_cursor` of the previous page. */
  @IsOptional() @IsString() @MaxLength(1024)
  cursor?: string;
}

/** A list that can also be bounded in time. */
export class TimePageQuery extends PageQuery {
  /** Earliest time, inclusive (RFC 3339). */
  @IsOptional() @IsTime()
  from?: string;

  /** Latest time, exclusive (RFC 3339). */
  @IsOptional() @IsTime()
  to?: string;
}

/** The place in a list after which the next page starts: the sort key of the last row. */
export type Position = [time: string, id: string];

/** Reads a cursor of ours, of a list whose ids look like `idShape`; anything else is a 422. */
export function readCursor(cursor: string | undefined, idShape = UUID): Position | undefined {
  if (cursor === undefined) return undefined;
  try {
    const position = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as Position;
    const [time, id] = position;
    if (position.length === 2 && typeof id === 'string' && idShape.test(id) && /^\d{4}-/.test(time) && new Date(time).toISOString() === time) return position;
  } catch {
    // Falls through to the refusal.
  }
  throw Problem.invalid({ pointer: '?cursor', detail: 'is not a cursor of this list' });
}

/**
 * Cuts a list that was read with one row more than asked for into a page. Shape of the answer: `{data, next_cursor}`.
 */
export function pageOf<Row, View>(rows: Row[], limit: number, position: (row: Row) => Position, view: (row: Row) => View): { data: View[]; next_cursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    data: page.map(view),
    next_cursor: rows.length > limit && last ? Buffer.from(JSON.stringify(position(last))).toString('base64url') : null,
  };
}
