export class ConflictView {
  conflict_id: string;
  provider_event_id: string;
  /** The event that has the id. Its bytes are under `/v1/events/{event_id}/body`, the others under this conflict's `/body`. */
  event_id: string;
  received_at: string;
  /** Of the other bytes; null where they are a JSON object. */
  content_type: string | null;
  byte_count: number;
  body_sha256: string;
}

export class ConflictPage {
  data: ConflictView[];
  next_cursor: string | null;
}
