/** News that a domain publishes: every queue declared `on` it gets one job per publication. */
export interface Topic<Payload> {
  readonly name: string;
  readonly queues: Queue<Payload>[];
}

/** Work to be done, with the type of its payload. Payloads are ids: never documents, never secrets. */
export interface Queue<Payload> {
  readonly name: string;
  readonly policy: QueuePolicy;
  /** Waits while processing is paused. */
  readonly pausable: boolean;
  /** Ties the payload's type to the queue; it holds nothing. */
  readonly payload?: Payload;
}

export interface QueuePolicy {
  /** Runs after the first that failed; the queue retries only our own crashes and lost databases, so by default it does not give up. */
  retryLimit: number;
  /** Seconds before the first retry; doubled each time, up to `retryDelayMax`. */
  retryDelay: number;
  retryDelayMax: number;
  /** Seconds without a sign of life after which a running job is taken from its worker. pg-boss allows no less than 10. */
  heartbeatSeconds: number;
  /** Seconds a run may take. */
  expireInSeconds: number;
}

const DEFAULT_POLICY: QueuePolicy = { retryLimit: 100_000, retryDelay: 1, retryDelayMax: 300, heartbeatSeconds: 10, expireInSeconds: 300 };

/** Every queue declared so far, by name. */
export const queues = new Map<string, Queue<unknown>>();

export function defineTopic<Payload>(name: string): Topic<Payload> {
  return { name, queues: [] };
}

/** Declares a queue, once, next to its owner. `on` subscribes it to a topic; a `pausable` one waits while an operator has processing paused. */
export function defineQueue<Payload extends object>(name: string, options: { on?: Topic<Payload>; policy?: Partial<QueuePolicy>; pausable?: boolean } = {}): Queue<Payload> {
  if (queues.has(name)) throw new Error(`The queue ${name} is declared twice`);
  const queue: Queue<Payload> = { name, policy: { ...DEFAULT_POLICY, ...options.policy }, pausable: options.pausable ?? false };
  queues.set(name, queue);
  options.on?.queues.push(queue);
  return queue;
}
