import { Client } from 'pg';

/**
 * A connection whose end is always heard. A pool hears what happens to idle ones, and whoever holds one hears what happens to
 * statements; between the two, and where one packet brings the last answer together with the news that Postgres goes, nobody
 * does, and an unheard `error` ends the process. The next statement finds out in any case.
 */
class HeardClient extends Client {
  constructor(config?: ConstructorParameters<typeof Client>[0]) {
    super(config);
    this.on('error', () => {});
  }
}

/** For the options of every pool, whoever makes it. */
export const HEARD = { Client: HeardClient };
