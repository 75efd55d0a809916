import { expect, inject, onTestFinished, test } from 'vitest';
import { Snapshot } from '../../src/platform/db/copy.js';
import { Database, HotLane } from '../../src/platform/index.js';

const SHOWN = ['timezone', 'statement_timeout', 'lock_timeout', 'enable_seqscan', 'search_path'];
const SHOW = `SELECT ${SHOWN.map((name) => `current_setting('${name}') AS "${name}"`).join(', ')}`;

test('what DATABASE_URL sets for sessions is added to what the house sets: its limits hold, its time zone does not', async () => {
  const url = `${inject('postgresUrl')}?options=${encodeURIComponent('-c search_path=pg_temp,public -c lock_timeout=123 -c timezone=Asia/Tokyo')}`;
  const [database, lane, snapshot] = [new Database(url, 1), new HotLane(url, 1), await Snapshot.open(url)];
  onTestFinished(async () => void await Promise.all([database.close(), lane.close(), snapshot.close()]));

  const theirs = { lock_timeout: '123ms', search_path: 'pg_temp,public' };
  expect(await database.client.$queryRawUnsafe(SHOW)).toEqual([{ ...theirs, timezone: 'UTC', statement_timeout: '1min', enable_seqscan: 'on' }]);
  expect((await lane.executeSql(SHOW)).rows).toEqual([{ ...theirs, timezone: 'UTC', statement_timeout: '30s', enable_seqscan: 'off' }]);
  expect(await snapshot.rows(SHOW)).toEqual([{ ...theirs, timezone: 'UTC', statement_timeout: '2h', enable_seqscan: 'on' }]);
});
