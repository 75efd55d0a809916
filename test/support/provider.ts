import { createHmac, randomUUID } from 'node:crypto';
import type supertest from 'supertest';
import type { House } from './house.js';

/** A source as its owner sees it. */
export interface GivenSource {
  source_id: string;
  ingest_path: string;
  secrets: { secret_id: string; secret: string; hint: string; expires_at: string | null }[];
  options: Record<string, unknown>;
}

export const SECRET = "It's a Secret to Everybody";

/** A source of GitHub's, unless said otherwise. */
export async function givenSource(house: Pick<House, 'api'>, more: Record<string, unknown> = {}): Promise<GivenSource> {
  return (await house.api.post('/v1/sources').send({ name: 'of the tests', provider: 'github', secrets: [SECRET], ...more }).expect(201)).body as GivenSource;
}

/** GitHub's signature of a body. */
export function signature(body: string | Buffer, secret = SECRET): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** A request as GitHub sends it. */
export function push(house: Pick<House, 'as'>, { ingest_path }: Pick<GivenSource, 'ingest_path'>, body: string | Buffer, { id = randomUUID() as string, secret = SECRET, type = 'application/json', event = 'push' } = {}): supertest.Test {
  return house.as().post(ingest_path).set({ 'content-type': type, 'x-github-event': event, 'x-github-delivery': id, 'x-hub-signature-256': signature(body, secret) }).serialize((raw: unknown) => raw as string).send(body as string);
}

/** The bytes that an event came in as. */
export async function bodyOf(house: Pick<House, 'api'>, path: string): Promise<{ bytes: Buffer; headers: Record<string, string> }> {
  const { body, headers } = await house.api.get(path).buffer(true).parse((response, done) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => done(null, Buffer.concat(chunks)));
  }).expect(200);
  return { bytes: body as Buffer, headers: headers as Record<string, string> };
}
