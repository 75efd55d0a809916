/**
 * Inbound: acknowledged requests per second and latency of what providers sign and post to sources, GitHub and Stripe in turn.
 * One in twenty is a repeat. The floor verifies, parses, deduplicates and stores the same requests.
 */
import { DATA_BYTES } from '../bench.mjs';
import { Helper } from '../helper.mjs';
import { costRows, measureLoops, rateRows } from '../loops.mjs';
import { INBOUND } from '../traffic.mjs';

const AIMS = { perSecond: 8_000, share: 0.7 };

export async function inbound(bench) {
  const floorUrl = await bench.server.makeDatabase('floor_inbound');
  bench.floor = new Helper('floor-inbound.mjs');
  const { sourceIds, ...sources } = await bench.makeSources();
  const sides = {
    server: { port: bench.server.port, inbound: { ...sources, bytes: DATA_BYTES } },
    floor: { port: await bench.floor.call('start', floorUrl, sources.secret), inbound: { ...sources, bytes: DATA_BYTES, paths: { github: '/in/github', stripe: '/in/stripe' } } },
  };
  let due = 0;
  const drive = async (side, load) => {
    const result = await bench.drive({ ...sides[side], mix: INBOUND, ...load }, side === 'floor' ? bench.floor.pid : undefined);
    bench.expect(result.duplicates === result.repeats, `${result.repeats} repeats were sent to the ${side} and ${result.duplicates} requests were answered as such`);
    if (side === 'server') due += result.accepted - result.repeats;
    return result;
  };
  const rounds = await measureLoops(bench, 'inbound', drive);
  await bench.floor.stop();

  const stored = await bench.server.countReceived(sourceIds);
  bench.expect(stored === due, `${due} different requests were acknowledged and ${stored} are stored`);
  return { rounds, rows: [...rateRows(rounds, 'request', AIMS), ...costRows(rounds, 'request')] };
}
