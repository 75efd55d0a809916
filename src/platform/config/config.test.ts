import { expect, test } from 'vitest';
import { ConfigError, readConfig } from './config.js';

const faultsOf = (env: Record<string, string>): string[] => {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    return (error as ConfigError).faults;
  }
};

test('nothing has to be set', () => {
  const config = readConfig({});
  expect(config).toMatchObject({ ROLE: 'all', PORT: 8080, DELIVERY_TIMEOUT_MS: 15_000, DATABASE_URL: undefined });
  expect([config.servesApi, config.runsWorkers]).toEqual([true, true]);
});

test('an empty variable counts as unset', () => {
  expect(readConfig({ PORT: '', ROLE: '', DATABASE_URL: '', LAKEHOOK_ADMIN_KEY: '', SEALING_KEY: '', OUTBOUND_ALLOW_PRIVATE: '' })).toEqual(readConfig({}));
});

test('numbers are read from their text', () => {
  expect(readConfig({ PORT: '0', MAX_BODY_BYTES: '2048', EVENT_RETENTION_DAYS: '7' })).toMatchObject({ PORT: 0, MAX_BODY_BYTES: 2048, EVENT_RETENTION_DAYS: 7 });
});

test('all faults are told at once, each with the name of its variable', () => {
  const error = faultsOf({ PORT: 'http', ROLE: 'king', DATABASE_URL: 'mysql://db/x', LAKEHOOK_ADMIN_KEY: 'short', DELIVERY_TIMEOUT_MS: '5', LOG_LEVEL: 'loud' }).join('\n');
  for (const name of ['PORT', 'ROLE', 'DATABASE_URL', 'LAKEHOOK_ADMIN_KEY', 'DELIVERY_TIMEOUT_MS', 'LOG_LEVEL']) expect(error).toContain(name);
  expect(() => readConfig({ PORT: 'http', ROLE: 'king' })).toThrow(ConfigError);
});

test.each([
  { PORT: '-1' }, { PORT: '65536' }, { PORT: '80.5' }, { PORT: '8080x' }, { DATABASE_POOL_SIZE: '3' }, { EVENT_RETENTION_DAYS: '0' }, { MAX_BODY_BYTES: '10' },
  { DATABASE_URL: 'not a url' }, { SEALING_KEY: 'too short' }, { DELIVERY_CONCURRENCY: '0' }, { SHUTDOWN_TIMEOUT_MS: 'soon' },
  ...['s3:8333', 'ftp://s3', 'http://s3/path', 'http://u:p@s3', 'http://s3, nonsense'].map((STORAGE_PRIVATE_ENDPOINTS) => ({ STORAGE_PRIVATE_ENDPOINTS })),
] as Record<string, string>[])('%j is refused', (env) => {
  expect(faultsOf(env).join()).toContain(Object.keys(env)[0]);
});

test.each([
  'postgres://u:p@db:5432/lakehook', 'postgresql://u:p@127.0.0.1/x?sslmode=require', 'postgresql://lakehook@localhost/lakehook', 'postgres://u:p%40w@db-1.internal.example/x',
])('%s is a database', (url) => {
  expect(readConfig({ DATABASE_URL: url }).DATABASE_URL).toBe(url);
});

test('origins of storage are read as URLs tell theirs', () => {
  expect(readConfig({ STORAGE_PRIVATE_ENDPOINTS: 'http://s3:8333/ , https://MinIO.internal:443,' }).privateEndpoints).toEqual(['http://s3:8333', 'https://minio.internal']);
  expect(readConfig({}).privateEndpoints).toEqual([]);
});

test.each([['all', true, true], ['api', true, false], ['worker', false, true], ['migrate', false, false]])('the role %s: API %s, workers %s', (role, api, workers) => {
  const config = readConfig({ ROLE: role });
  expect([config.servesApi, config.runsWorkers]).toEqual([api, workers]);
});

test('variables of others are left alone', () => {
  expect(readConfig({ HOME: '/root', servesApi: 'no', constructor: 'x' } as Record<string, string>)).toEqual(readConfig({}));
});
