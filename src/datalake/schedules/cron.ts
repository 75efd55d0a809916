import { CronExpressionParser } from 'cron-parser';

/** Digits, names and signs of the five fields. `H`, which the parser would choose by chance, is no sign of them. */
const FIELD = /^(?:[\d*?,/#L-]|[A-Z]{3})+$/i;

/** What is wrong with a cron expression, or undefined. */
export function findCronFault(expression: string): string | undefined {
  const fields = expression.split(' ');
  if (fields.length !== 5 || !fields.every((field) => FIELD.test(field))) return 'must be daily, weekly, monthly or a cron expression of five fields: minute, hour, day of month, month, day of week';
  try {
    parse(expression, 0);
  } catch (error) {
    return `is no cron expression: ${(error as Error).message}`;
  }
  return cronWalls(expression, 0, 'next').next().done ? 'never comes' : undefined;
}

/** The wall times of a cron expression after one, or before it with the latest first. In wall time there is no summer, so the parser is told that it is in UTC. */
export function* cronWalls(expression: string, from: number, direction: 'next' | 'prev'): Generator<number> {
  const times = parse(expression, from);
  for (;;) {
    let wall: number;
    try {
      wall = times[direction]().getTime();
    } catch {
      // The parser gives up when decades hold none.
      return;
    }
    yield wall;
  }
}

function parse(expression: string, from: number): ReturnType<typeof CronExpressionParser.parse> {
  return CronExpressionParser.parse(expression, { currentDate: new Date(from), tz: 'UTC' });
}
