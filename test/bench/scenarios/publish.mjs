/** Publishing: acknowledged events per second and latency, singles and batches of 100, with no webhook registered. */
import { DATA_BYTES } from '../bench.mjs';
import { Helper } from '../helper.mjs';
import { comparison, costRows, measureLoops, rateRows } from '../loops.mjs';

const BATCH = 100;
const AIMS = { perSecond: 10_000, share: 0.7 };
const BATCHES_AIM = 30_000;

export async function publish(bench) {
  const floorUrl = await bench.server.makeDatabase('floor');
  bench.floor = new Helper('floor-publish.mjs');
  const sides = {
    server: { port: bench.server.port, key: bench.server.key },
    floor: { port: await bench.floor.call('start', floorUrl) },
  };
  const eventType = bench.freshType('publish');
  const body = { eventTypes: [eventType], bytes: DATA_BYTES, perRequest: 1 };
  let accepted = 0;
  const drive = async (side, load) => {
    const result = await bench.drive({ ...sides[side], body, ...load }, side === 'floor' ? bench.floor.pid : undefined);
    if (side === 'server') accepted += result.accepted;
    return result;
  };
  const rounds = await measureLoops(bench, 'publish', drive, async (load) => ({
    batches: await load({ mode: 'closed', seconds: bench.seconds(5, 3), connections: 8, body: { ...body, perRequest: BATCH } }),
  }));
  await bench.floor.stop();

  const stored = await bench.server.countEvents(eventType);
  bench.expect(stored === accepted, `${accepted} events were acknowledged and ${stored} are stored`);
  return { rounds, rows: rowsOf(rounds) };
}

const batches = (round) => round.batches.rate;

function rowsOf(rounds) {
  const { of, compare, ratio } = comparison(rounds);
  return [
    ...rateRows(rounds, 'event', AIMS),
    compare('batches of 100, 8 connections, events/s', batches, { ratio: ratio(batches), aim: `≥ ${BATCHES_AIM.toLocaleString('en-US')}/s`, met: of('server', batches) >= BATCHES_AIM }),
    ...costRows(rounds, 'event'),
  ];
}
