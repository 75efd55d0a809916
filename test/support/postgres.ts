import 'reflect-metadata';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/platform/db/embedded.js';
import { TEMPLATE, withClient } from './database.js';
import { startHouse } from './house.js';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
  }
}

/** Once per run: a Postgres of our own, and in it a template database that a first boot has made complete. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'lakehook-test-'));
  // Run by root, the database is another user's, and would else have to live elsewhere.
  chmodSync(folder, 0o755);
  const postgres = await startEmbeddedPostgres(folder, () => {});
  project.provide('postgresUrl', postgres.url);
  await withClient(postgres.url, (client) => client.query(`CREATE DATABASE ${TEMPLATE}`));
  const house = await startHouse(postgres.url.replace(/[^/]+$/, TEMPLATE));
  await house.stop();
  return async () => {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
