/** The server as `dist/main.js` runs it, but with a clock that the parent moves forward: `{advance: milliseconds}`, answered when it is done. */
import { startLakehook } from '../../dist/app.js';
import { Clock, readConfig } from '../../dist/platform/index.js';

class MovableClock extends Clock {
  ahead = 0;

  now() {
    return Date.now() + this.ahead;
  }
}

const clock = new MovableClock();
const started = startLakehook(readConfig(), { clock });

process.on('message', ({ advance }) => {
  clock.ahead += advance;
  process.send({ ahead: clock.ahead });
});
// Ctrl-C reaches the whole group; the parent decides when we end.
process.on('SIGINT', () => {});
process.on('SIGTERM', async () => {
  await (await started).stop();
  process.exit(0);
});
await started;
