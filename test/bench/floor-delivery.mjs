/**
 * The floor for delivering: a bare undici pool that signs each body twice and posts it, a fixed number in flight, to the same
 * receiver. No queue, no database, no record of attempts.
 */
import { createHmac, createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { Pool } from 'undici';
import { serveHelper } from './helper.mjs';
import { makeBodies } from './payload.mjs';

serveHelper({
  /** Posts `count` bodies with about `bytes` of data; answers when the last was answered. */
  async post({ port, path, count, bytes, inFlight }) {
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight, pipelining: 1 });
    // Node prepares a raw key anew for every HMAC, which costs five times the HMAC itself.
    const key = createSecretKey(randomBytes(32));
    const bodies = makeBodies({ eventTypes: ['bench.floor'], bytes, perRequest: 1 });
    let next = 0;
    const worker = async () => {
      while (next < count) {
        const id = randomUUID();
        const now = Date.now();
        // What an envelope has beside the data that a published event has not: id, timestamp, metadata.
        const body = Buffer.from(`{"event_id":"${id}","timestamp":"${new Date(now).toISOString()}","metadata":{},${bodies.text(next++, now).slice(1)}`);
        const timestamp = String(Math.floor(now / 1000));
        const { statusCode, body: answer } = await pool.request({
          path, method: 'POST', body,
          headers: {
            'content-type': 'application/json',
            'user-agent': 'floor',
            'webhook-id': id,
            'webhook-timestamp': timestamp,
            'webhook-signature': `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`,
            'x-webhook-signature': `sha256=${createHmac('sha256', key).update(body).digest('hex')}`,
            'x-webhook-event': 'bench.floor',
          },
        });
        await answer.dump();
        if (statusCode !== 200) throw new Error(`the receiver answered ${statusCode}`);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    await pool.close();
  },
});
