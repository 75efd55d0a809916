/** The event as stored: all that a body is made of, so that every attempt, redrive and replay sends the same bytes. */
export interface Message {
  event_id: string;
  event_type: string;
  occurred_at: Date;
  /** JSON text, as published. */
  data: string;
  metadata: string;
}

/** A body as it is signed and sent. */
export interface Shaped {
  body: Buffer;
  contentType: string;
}

/** Makes the body of a message. Throws a {@link ShapeFault} when that cannot be done. */
export type Shape = (message: Message) => Shaped;

/** A message that cannot be rendered. `message` is a sentence for the delivery log; `quote` shows the place, and with it what was published. */
export class ShapeFault extends Error {
  constructor(message: string, readonly quote = '') {
    super(message);
  }
}
