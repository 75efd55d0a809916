import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

/**
 * A receiver as an integrator would write it: verifies every request with the public `standardwebhooks` library and drops
 * doubles by `webhook-id`. Event type `resource_idle` is refused twice before it is accepted, `budget_exceeded` always.
 */
export async function startReceiver() {
  const arrivals = [];
  let verifier;
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const id = request.headers['webhook-id'];
      const type = request.headers['x-webhook-event'];
      const earlier = arrivals.filter((arrival) => arrival.id === id).length;
      let verified = false;
      try {
        verifier.verify(body, request.headers);
        verified = true;
      } catch (error) {
        console.error(`  the signature of ${id} did not verify: ${error.message}`);
      }
      const status = type === 'budget_exceeded' ? 500 : type === 'resource_idle' && earlier < 2 ? 503 : 200;
      arrivals.push({ id, type, verified, status, attempt: earlier + 1, bytes: body.length });
      response.writeHead(status).end(status === 200 ? 'thank you' : 'not now');
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/lakehook`,
    arrivals,
    /** From now on requests are verified against this secret. */
    trust(secret) {
      verifier = new Webhook(secret);
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
