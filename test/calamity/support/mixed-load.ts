import { eventually } from '../../support/eventually.js';
import type { Notice, Provider } from './provider.js';
import { randomOf, SEED } from './random.js';
import { PATIENCE_MS, type Scene } from './scene.js';

/** Everything that may come in, under way. */
export interface MixedLoad {
  /** Waits until `count` more requests have ended. */
  sent(count: number): Promise<void>;
  /** Resolves when every request has ended. */
  stop(): Promise<void>;
}

/**
 * Publishes with and without ids, and notices of four kinds of providers, at a fixed rate whatever the server does. Each
 * notice is sent up to three times, some of these at once, and now and then its id comes again with other bytes. Nobody insists: most
 * publishers would, GitHub never does.
 */
export async function mixedLoad(scene: Scene, perSecond: number): Promise<MixedLoad> {
  const random = randomOf(SEED);
  const providers = await Promise.all((['github', 'stripe', 'standard_webhooks', 'none'] as const).map((kind) => scene.provider(kind)));
  // From the first moment on every process knows the sources, as in life.
  for (const provider of providers) for (const { url, exitedAt } of scene.servers) if (exitedAt === undefined) await provider.send(provider.make(), { url });
  const again: { provider: Provider; notice: Notice }[] = [];
  const underWay: Promise<unknown>[] = [];
  const started = performance.now();
  let [count, ended] = [0, 0];
  const one = (): Promise<unknown> => {
    const repeat = again.length > 0 && random() < 0.3 ? again.splice(Math.floor(random() * again.length), 1)[0] : undefined;
    if (repeat) return repeat.provider.send(repeat.notice);
    if (random() < 0.4) return scene.publisher.send(scene.publisher.make('calamity.happened', { unnamed: random() < 0.5 }));
    const provider = providers[Math.floor(random() * providers.length)]!;
    const notice = provider.make();
    if (notice.providerEventId !== undefined) {
      for (let times = Math.floor(random() * 3); times > 0; times--) again.push({ provider, notice });
      if (random() < 0.2) again.push({ provider, notice: provider.make({ id: notice.providerEventId }) });
    }
    return provider.send(notice);
  };
  const tick = setInterval(() => {
    for (const due = ((performance.now() - started) / 1_000) * perSecond; count < due; count++) underWay.push(one().then(() => ended++));
  }, 10);
  return {
    async sent(more) {
      const before = ended;
      await eventually(`${more} more requests to end`, () => ended >= before + more, PATIENCE_MS);
    },
    async stop() {
      clearInterval(tick);
      await Promise.all(underWay);
    },
  };
}
