import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Jobs } from '../../src/platform/jobs/jobs.js';
import { Database } from '../../src/platform/db/database.js';
import { HotLane } from '../../src/platform/db/hot-lane.js';
import { useHouse } from '../support/house.js';

/** A Postgres that lets somebody in and goes, in one packet. Where nobody hears that, the process ends, and this file with it. */

const house = useHouse();
function frame(letter: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5, letter);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
const WELCOME = Buffer.concat([frame('R', Buffer.alloc(4)), frame('Z', Buffer.from('I'))]);
const FAREWELL = frame('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0'));

let visits = 0;
const server = createServer((socket: Socket) => {
  socket.on('error', () => {});
  socket.once('data', () => {
    visits++;
    socket.end(Buffer.concat([WELCOME, FAREWELL]));
  });
});
let url: string;
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `postgres://somebody@127.0.0.1:${(server.address() as AddressInfo).port}/nothing`;
});
afterAll(() => void server.close());

test.each([
  ['a transaction of Prisma’s', () => new Database(url, 2), (db: Database) => db.transaction((tx) => tx.$queryRaw`SELECT 1`)],
  ['a statement of Prisma’s', () => new Database(url, 2), (db: Database) => db.ping()],
  ['a transaction of the hot lane’s', () => new HotLane(url, 2), (hot: HotLane) => hot.transaction((lane) => lane.executeSql('SELECT 1'))],
  ['a statement of the hot lane’s', () => new HotLane(url, 2), (hot: HotLane) => hot.executeSql('SELECT 1')],
] as [string, () => Database | HotLane, (of: unknown) => Promise<unknown>][])('%s that loses its connection as it gets it fails, and nothing else does', async (_, make, work) => {
  const [before, made] = [visits, make()];
  await expect(work(made)).rejects.toThrow();
  expect(visits).toBeGreaterThan(before);
  await made.close();
});

test('the job queue’s connections are heard as well', async () => {
  const { boss } = house.app.get(Jobs) as unknown as { boss: { getDb(): { pool: { connect(): Promise<{ listenerCount(name: string): number; release(): void }> } } } };
  const client = await boss.getDb().pool.connect();
  expect(client.listenerCount('error')).toBeGreaterThan(0);
  client.release();
});
