import { STATUS_CODES } from 'node:http';
import { type Exchange, version } from '../../platform/index.js';
import type { OAuth2 } from './auth.js';
import { scrub, scrubbable, scrubText } from './scrub.js';

interface Token {
  value: string;
  fetchedAt: number;
  /** From here on another is fetched; this one serves as long as that fails. */
  staleAt: number;
  expiresAt: number;
  /** Fetched because the receiver had refused the one before, and not accepted since. */
  onProbation: boolean;
}

type Failure = { errorClass: 'token'; error: string };

type Post = (url: string, headers: Record<string, string>, body: Buffer) => Promise<Exchange>;

/** Where the token endpoint names no lifetime, or none that makes sense. A 401 shows it should the token die before. */
const DEFAULT_LIFETIME_S = 300;
const LONGEST_LIFETIME_S = 86_400;
/** A token is stale this share of its lifetime before it expires, but at most so many seconds before; down to half of that, at random, so that processes do not fetch in step. */
const MARGIN = 0.2;
const LONGEST_MARGIN_S = 120;
/** A token that replaced a refused one and was refused itself is not replaced before: a receiver that refuses everybody must not wear out the token endpoint. */
const PROBATION_MS = 60_000;
/** After so many failures in a row the token endpoint is left alone for a while: a locked client or a herd helps nobody. */
const PATIENCE = 3;
const PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const MAX_SAID = 200;

/** The access tokens of one webhook: fetched when first needed, one fetch at a time however many attempts wait, renewed before they expire. */
export class AccessTokens {
  private token: Token | undefined;
  private fetching: Promise<Token | Failure> | undefined;
  private failures = 0;
  private paused: { until: number; failure: Failure } | undefined;
  private readonly secrets: string[];
  private readonly request: { headers: Record<string, string>; body: Buffer };

  constructor(private readonly auth: OAuth2, private readonly post: Post, private readonly now: () => number) {
    const { client_id, client_secret } = auth;
    const basic = Buffer.from(`${formEncode(client_id)}:${formEncode(client_secret)}`).toString('base64');
    this.secrets = scrubbable([client_secret, formEncode(client_secret), basic]);
    this.request = requestOf(auth, basic);
  }

  /**
   * Does one attempt with a token. When the receiver answers 401, fetches another and tries once more. Never rejects; without a
   * token the attempt has failed, and the error says what the token endpoint said.
   */
  async use(send: (authorization: string) => Promise<Exchange>): Promise<Exchange> {
    const started = performance.now();
    const exchange = await this.attempt(send);
    return { ...exchange, durationMs: Math.round(performance.now() - started) };
  }

  private async attempt(send: (authorization: string) => Promise<Exchange>): Promise<Exchange> {
    const token = await this.current();
    if ('error' in token) return { ...token, durationMs: 0 };
    const first = await this.sendWith(token, send);
    if (first.status !== 401) return first;
    const other = await this.replace(token);
    if (!other) return first;
    if ('error' in other) return { ...first, ...other, error: `The receiver answered HTTP 401, and another token could not be had. ${other.error}` };
    return this.sendWith(other, send);
  }

  private async sendWith(token: Token, send: (authorization: string) => Promise<Exchange>): Promise<Exchange> {
    const exchange = await send(`Bearer ${token.value}`);
    if (exchange.status !== undefined && exchange.status !== 401) token.onProbation = false;
    return scrub(exchange, scrubbable([token.value]).concat(this.secrets));
  }

  private async current(): Promise<Token | Failure> {
    const { token } = this;
    const now = this.now();
    if (token && now < token.staleAt) return token;
    const fetched = await this.fetch(false);
    return 'error' in fetched && token && now < token.expiresAt ? token : fetched;
  }

  /** Another token than the refused one; undefined when there is none worth trying. */
  private async replace(refused: Token): Promise<Token | Failure | undefined> {
    if (this.token && this.token !== refused) return this.token.value === refused.value ? undefined : this.token;
    if (refused.onProbation && this.now() < refused.fetchedAt + PROBATION_MS) return undefined;
    const fetched = await this.fetch(true);
    return 'error' in fetched || fetched.value !== refused.value ? fetched : undefined;
  }

  private fetch(refused: boolean): Promise<Token | Failure> {
    if (this.paused && this.now() < this.paused.until) return Promise.resolve(this.paused.failure);
    return (this.fetching ??= this.fetchOnce(refused).finally(() => (this.fetching = undefined)));
  }

  private async fetchOnce(refused: boolean): Promise<Token | Failure> {
    const exchange = await this.post(this.auth.token_url, this.request.headers, this.request.body);
    const answer = readTokenAnswer(exchange);
    const now = this.now();
    if (typeof answer === 'string') {
      const failure: Failure = { errorClass: 'token', error: scrubText(`The token endpoint ${new URL(this.auth.token_url).host} ${answer}`, this.secrets) };
      if (++this.failures >= PATIENCE) this.paused = { failure, until: now + Math.min(PAUSE_MS * 2 ** (this.failures - PATIENCE), LONGEST_PAUSE_MS) };
      return failure;
    }
    this.failures = 0;
    this.paused = undefined;
    this.token = tokenOf(answer, now, refused);
    return this.token;
  }
}

/** Dates a token. `random` between 0 and 1 spreads when it is renewed. */
export function tokenOf({ value, lifetimeS }: TokenAnswer, now: number, onProbation: boolean, random = Math.random): Token {
  const marginS = Math.min(lifetimeS * MARGIN, LONGEST_MARGIN_S) * (0.5 + random() / 2);
  return { value, fetchedAt: now, staleAt: now + (lifetimeS - marginS) * 1000, expiresAt: now + lifetimeS * 1000, onProbation };
}

/** The request for a token, RFC 6749 section 4.4.2. */
function requestOf({ client_id, client_secret, scope, audience, client_auth }: OAuth2, basic: string): { headers: Record<string, string>; body: Buffer } {
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope && { scope }), ...(audience && { audience }), ...(client_auth === 'body' && { client_id, client_secret }) });
  return {
    headers: {
      'content-type': 'application/x-www-form-urlencoded', accept: 'application/json', 'user-agent': `Lakehook/${version}`,
      ...(client_auth === 'basic' && { authorization: `Basic ${basic}` }),
    },
    body: Buffer.from(form.toString()),
  };
}

/** As section 2.3.1 asks for, before a client's id and secret become a Basic header. */
function formEncode(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2);
}

interface TokenAnswer {
  value: string;
  lifetimeS: number;
}

/** Reads the token endpoint's answer, RFC 6749 sections 5.1 and 5.2. A failure reads on after "The token endpoint example.com". */
export function readTokenAnswer(exchange: Exchange): TokenAnswer | string {
  if ('errorClass' in exchange) return `could not be asked: ${exchange.error}`;
  const { status, body } = exchange;
  const words = `answered HTTP ${status}${STATUS_CODES[status] ? ` ${STATUS_CODES[status]}` : ''}`;
  if (status >= 300 && status < 400) return `${words}: redirects are not followed; set the final URL.`;
  let json: Record<string, unknown> | undefined;
  try {
    json = { ...(JSON.parse(body) as Record<string, unknown>) };
  } catch {
    json = undefined;
  }
  if (status < 200 || status >= 300) {
    const said = [json?.error, json?.error_description].filter((part) => typeof part === 'string' && part !== '').join(': ');
    return said === '' ? `${words}.` : `${words}: ${printable(said)}`;
  }
  if (!json) return `${words}, but its body is not JSON, or longer than 16 KiB.`;
  const { access_token: value, token_type: type, expires_in: expires } = json;
  if (typeof value !== 'string' || value === '') return `${words}, but without an access_token.`;
  if (!/^[\x21-\x7e]{1,8192}$/.test(value)) return `${words}, but its access_token cannot be sent in a header: it is too long, or not visible ASCII.`;
  if (type !== undefined && (typeof type !== 'string' || type.toLowerCase() !== 'bearer')) return `${words}, but its token is of type ${typeof type === 'object' ? '(not text)' : printable(String(type))}; only bearer is spoken here.`;
  // Some endpoints write the number as a string.
  const seconds = typeof expires === 'number' || typeof expires === 'string' ? Number(expires) : Number.NaN;
  return { value, lifetimeS: seconds > 0 ? Math.min(seconds, LONGEST_LIFETIME_S) : DEFAULT_LIFETIME_S };
}

function printable(text: string): string {
  const clean = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return clean.length > MAX_SAID ? `${clean.slice(0, MAX_SAID)}…` : clean;
}
