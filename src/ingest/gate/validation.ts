import { Injectable } from '@nestjs/common';
import { Catalogues } from '../../events/index.js';
import { type Fault, Turns } from '../../platform/index.js';
import type { InboundEvent } from '../inbound.js';
import type { LiveSource } from '../sources/live-sources.js';

/** Events that are not to be stored, with what is wrong with them. */
export type Refused = ReadonlyMap<InboundEvent, Fault[]>;

/** What is kept of the faults of one event, and of those of a request. A pointer holds names, and those are the sender's choice. */
const MAX_FAULTS = 10, MAX_FAULTS_IN_ALL = 100;
const MAX_POINTER = 255;

/** Holds what came in through a source against the schemas of its types, where the source wants that. */
@Injectable()
export class Validation {
  constructor(private readonly catalogues: Catalogues) {}

  /**
   * What is wrong with those events that the source would not have stored, by JSON pointer into the event: none unless its
   * `validate` is `reject`. Where it is `mark`, the same becomes `schema_faults` of their metadata.
   */
  async hold({ tenantId, options: { validate } }: LiveSource, events: InboundEvent[]): Promise<Refused> {
    const refused = new Map<InboundEvent, Fault[]>();
    if (validate === 'off' || events.length === 0) return refused;
    const catalogue = await this.catalogues.atTheDoor(tenantId);
    if (catalogue.isIdle) return refused;
    const turns = new Turns();
    for (const event of events) {
      const faults = catalogue.faultsOf(event.eventType, JSON.parse(event.data)).slice(0, MAX_FAULTS).map(shortened);
      if (faults.length > 0 && validate === 'reject') refused.set(event, faults);
      else if (faults.length > 0) event.metadata = `${event.metadata.slice(0, -1)},"schema_faults":${JSON.stringify(faults)}}`;
      if (turns.isOver) await turns.next();
    }
    return refused;
  }
}

/** What is wrong with a request; pointers lead into its event, or where it has several, through `/events/<index>`. */
export function faultsIn(events: InboundEvent[], refused: Refused): Fault[] {
  const prefix = (index: number): string => (events.length === 1 ? '' : `/events/${index}`);
  return events.flatMap((event, index) => (refused.get(event) ?? []).map(({ pointer, detail }) => ({ pointer: prefix(index) + pointer, detail }))).slice(0, MAX_FAULTS_IN_ALL);
}

function shortened({ pointer, detail }: Fault): Fault {
  return { pointer: pointer.slice(0, MAX_POINTER).toWellFormed(), detail };
}
