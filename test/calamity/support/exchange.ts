import { type Agent, request } from 'node:http';

/** How one request to publish something, or to hand in a notice, ended. */
export type Outcome =
  | { kind: 'acknowledged'; eventId: string; duplicate: boolean; ms: number }
  | { kind: 'answered'; status: number; body: string; ms: number }
  | { kind: 'broken'; code: string; ms: number }
  | { kind: 'hung'; ms: number };

/** Longer than this no request may take, whatever happens. */
const HUNG_AFTER_MS = 10_000;

/** Posts over plain HTTP, on a connection of its own unless there is an `agent`, and tells how it ended. */
export function exchange(url: string, headers: Record<string, string>, body: string | Buffer, agent: Agent | false = false): Promise<Outcome> {
  const started = performance.now();
  return new Promise((resolve) => {
    const done = (outcome: Record<string, unknown>): void => resolve({ ...outcome, ms: Math.round(performance.now() - started) } as Outcome);
    const outgoing = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) }, signal: AbortSignal.timeout(HUNG_AFTER_MS) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        if (response.statusCode !== 202) return done({ kind: 'answered', status: response.statusCode!, body: text });
        const { event_id, duplicate } = JSON.parse(text) as { event_id: string; duplicate: boolean };
        done({ kind: 'acknowledged', eventId: event_id, duplicate });
      });
      response.on('error', fail);
    });
    const fail = (error: Error & { code?: string }): void => done(error.name === 'AbortError' || error.name === 'TimeoutError' ? { kind: 'hung' } : { kind: 'broken', code: error.code ?? error.message });
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}
