/** What to do about failures of a class, for whoever runs the webhook. */
const BY_CLASS: Record<string, string> = {
  dns: 'The host name in the URL does not resolve from here. Look for a typing error, and check that its DNS record still exists and is visible from this network.',
  connect_refused: 'Nothing accepts connections at that host and port. Check that the receiver is running, that it listens on the port in the URL (443 for https unless named), and that no firewall rejects this sender.',
  connect_timeout: 'The host does not answer to a connection at all, which usually means a firewall that drops packets. Allow the addresses that this installation sends from, and check that the host is up.',
  tls: 'The TLS handshake fails. The error names the reason: renew an expired certificate, serve the whole chain with its intermediates, make the name in the URL one of the certificate, and allow TLS 1.2 or newer. A private CA has to be set on the webhook.',
  reset: 'The receiver, or a proxy before it, closes the connection before its answer is complete. Look for crashes and restarts, for a proxy limit on the size of bodies, and for a keep-alive timeout that is shorter there than here.',
  timeout: 'The receiver takes longer than the time allowed (15 s unless DELIVERY_TIMEOUT_MS says otherwise). Answer 2xx as soon as the event is stored and do the work afterwards, from a queue.',
  response_too_large: 'The answer is longer than what is read of it. A webhook needs none: answer 204 without a body. It is often a whole HTML page, so check that the URL leads to the handler and not to a website.',
  redirect: 'Redirects are not followed, since they could lead anywhere. Register the URL that the location header names: often https instead of http, or with or without the slash at the end.',
  blocked_address: 'The host name leads to a private, loopback or metadata address, which outgoing requests may not reach. Register a public address, or have the operator add the range to OUTBOUND_ALLOW_PRIVATE.',
  protocol: 'What came back is not HTTP. Check that the port belongs to a web server, and that http and https have not been mixed up.',
  local: 'This installation could not open a connection: the fault is on our side, not the receiver’s. Raise the limit of open files, or lower DELIVERY_CONCURRENCY.',
  secret_unreadable: 'The secrets of this webhook were sealed with a key that SEALING_KEY does not list any more. Put the former key back into SEALING_KEY, or rotate the secret and set the headers again.',
  template: 'The template fails on such events: preview it with the event of the example, mend it where the error says, and redrive the dead letters. Nothing was sent.',
  token: 'The OAuth2 token endpoint gives no token, so nothing was sent. Its answer is in the error: most often a client secret that has expired, or a scope or audience that it does not grant.',
  interrupted: 'A process of this installation ended before it could record the outcome, and the delivery was made again. If that happens without a deploy, look for crashes and for too little memory. Receivers see such an event twice: drop what has a known webhook-id.',
  http_4xx: 'The receiver refuses the request as wrong. Its answer is in the example, and usually says why.',
  http_5xx: 'The receiver fails while it handles the event. Look in its log at the time of the example, and redrive the dead letters once it is mended.',
};

/** More to the point, where one status makes up most of a class. */
const BY_STATUS: Record<number, string> = {
  400: 'The receiver cannot read the request. Check that it takes JSON as it is sent, and reads the raw body before it verifies the signature.',
  401: 'The receiver does not accept the credentials. If it checks the signature, compare its secret with the newest one here (secret_hint) and have it verify the raw bytes; if it wants a token, set that in the webhook’s headers or auth, and see whether it has expired.',
  403: 'The receiver, or a firewall before it, forbids the request. Allow the addresses and the user agent Lakehook/* there, exempt the path from CSRF checks and bot protection, and see that the credentials may post to it.',
  404: 'There is nothing at that path. Compare the URL with the route of the receiver, also for a prefix, a version or a slash at the end; after a deploy the route may have moved.',
  405: 'The path exists, but does not take POST. Point the URL at the route that handles webhooks, and look for a redirect in a proxy that turns POST into GET.',
  408: 'The receiver waited too long for the request to arrive. Look for an overloaded proxy before it, or one with a very short read timeout.',
  409: 'The receiver sees a conflict, most often with an event it already has. It should answer 2xx to what it knows: events come at least once.',
  410: 'The receiver is gone for good, so the webhook is disabled. Register a new URL if that was not meant.',
  413: 'The event is larger than the receiver takes. Raise its limit (client_max_body_size in nginx, the body parser’s limit in most frameworks), or filter large events out.',
  415: 'The receiver does not take application/json on this path. Register a JSON parser there, or point the URL at the right route.',
  422: 'The receiver understands the event and rejects what is in it. See the body of its answer; if it does not want such events at all, narrow the webhook with events or a filter.',
  429: 'The receiver is being sent more than it takes. Set a rate_limit on the webhook below the receiver’s limit, and have it name its wish in Retry-After.',
  500: 'The receiver crashes on the event. Look in its log at the time of the example; if only some events do it, compare what they have in common.',
  501: 'The server does not know how to handle POST there. The URL probably leads to a static host or to the wrong service.',
  502: 'A proxy before the receiver gets no proper answer from it: the application behind is down, is being deployed, or crashes on the event. Look at the proxy’s upstream and at the application’s log.',
  503: 'The receiver is overloaded or under maintenance. Give it more capacity, set a rate_limit, and have it send Retry-After; "durable" retries carry a webhook over longer outages.',
  504: 'A proxy before the receiver gave up waiting for it. Answer as soon as the event is stored and do the work afterwards, or give the proxy more time.',
};

/** Cloudflare's own statuses say what it could not do with the origin. */
const CLOUDFLARE = 'Cloudflare cannot reach the receiver behind it, or does not agree on TLS with it. Check that the origin is up, that it lets Cloudflare’s addresses in, and its certificate.';

/** A suggestion in words for failures of a class that came with this status (the most frequent one). */
export function adviceFor(errorClass: string, status: number | null): string {
  const ownStatus = errorClass === 'http_4xx' || errorClass === 'http_5xx';
  if (ownStatus && status !== null && status >= 520 && status <= 527) return CLOUDFLARE;
  return (ownStatus && status !== null && BY_STATUS[status]) || (BY_CLASS[errorClass] ?? 'See the example for what happened.');
}
