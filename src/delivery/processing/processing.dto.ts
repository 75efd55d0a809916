import { IsBoolean, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';

export class SteerProcessing {
  /** `true` holds fan-out in every process; `false` lets it go on. */
  @IsBoolean()
  paused: boolean;

  /** Why, for those who look later. */
  @IsOptional() @IsString() @MaxLength(1000)
  reason?: string | null;

  /** At which pace a resume works off what has waited, over all processes. As it was set before, when absent; as fast as it goes, when null. */
  @IsOptional() @IsInt() @Min(1) @Max(1_000_000)
  resume_events_per_second?: number | null;
}

export class ProcessingView {
  paused: boolean;
  reason: string | null;
  /** The pace set for working off what waits. It ends when nothing does any more. */
  resume_events_per_second: number | null;
  /** What has waited is being worked off at that pace. */
  draining: boolean;
  /** Events that are stored and not fanned out yet. An estimate when there are more than a thousand batches of them. */
  events_waiting: number;
  /** When the first of them was recorded. */
  oldest_waiting_at: string | null;
  /** When, at that pace, none will be waiting any more, if no more come in. */
  expected_end: string | null;
  changed_at: string | null;
}
