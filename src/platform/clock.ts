/** The one source of "now" inside the process. Tests replace it to move through time. */
export class Clock {
  now(): number {
    return Date.now();
  }
}
