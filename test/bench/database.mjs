/** A database that is nobody's child: it outlives this process, which looks after it while it lives, and a later one finds it again. */
import 'reflect-metadata';
import { startEmbeddedPostgres } from '../../dist/platform/db/embedded.js';
import { serveHelper } from './helper.mjs';

serveHelper({
  /** @returns {Promise<string>} its URL, the same for a folder every time */
  start: async (folder) => (await startEmbeddedPostgres(folder, () => {})).url,
});
