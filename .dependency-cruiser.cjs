/**
 * The import rules of ARCHITECTURE.md, as the machine checks them. Data flows down the page: a domain may import the ones
 * listed for it and nothing else.
 */
const MAY_IMPORT = {
  platform: [],
  auth: ['platform'],
  features: ['platform', 'auth'],
  events: ['platform', 'auth', 'features'],
  ingest: ['platform', 'auth', 'features', 'events'],
  delivery: ['platform', 'auth', 'features', 'events'],
  reconcile: ['platform', 'auth', 'features', 'events', 'ingest'],
  journeys: ['platform', 'auth', 'features', 'events', 'reconcile'],
  cost: ['platform', 'auth', 'features', 'events', 'ingest'],
  datalake: ['platform', 'auth', 'features', 'events', 'delivery', 'cost', 'journeys'],
  analytics: ['platform', 'auth', 'features', 'events', 'ingest', 'delivery', 'reconcile', 'journeys', 'cost', 'datalake'],
};

/** Packages that only one place may use, so that replacing one means changing one place. */
const ONE_USER = {
  undici: 'platform/outbound',
  'pg-boss': 'platform/jobs',
  pg: 'platform/db',
  '@prisma/[^/]+': 'platform/db',
  pino: 'platform/observe',
  'prom-client': 'platform/observe',
  'ipaddr.js': 'platform/outbound',
  '@aws-sdk/[^/]+': 'platform/storage',
  'apache-arrow': 'platform/tabular',
  'parquet-wasm': 'platform/tabular',
  archiver: 'datalake/downloads',
  'cron-parser': 'datalake/schedules',
};

const domains = Object.keys(MAY_IMPORT);

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, pathNot: ['\\.test\\.ts$', 'src/main\\.ts$', 'generated'] }, to: {} },
    ...domains.map((domain) => ({
      name: `${domain}-imports-only-upstream`,
      severity: 'error',
      from: { path: `^src/${domain}/` },
      to: { path: '^src/', pathNot: [`^src/${domain}/`, ...MAY_IMPORT[domain].map((other) => `^src/${other}/`)] },
    })),
    ...domains.map((domain) => ({
      name: `${domain}-is-entered-through-its-index`,
      comment: 'A domain enters another only through that domain’s index.ts.',
      severity: 'error',
      from: { path: '^src/', pathNot: [`^src/${domain}/`] },
      to: { path: `^src/${domain}/`, pathNot: [`^src/${domain}/index\\.ts$`] },
    })),
    ...domains.map((domain) => ({
      name: `${domain}-does-not-import-its-own-index`,
      severity: 'error',
      from: { path: `^src/${domain}/` },
      to: { path: `^src/${domain}/index\\.ts$` },
    })),
    ...Object.entries(ONE_USER).map(([name, place]) => ({
      name: `${name}-only-in-${place}`,
      severity: 'error',
      from: { path: '^src/', pathNot: [`^src/${place}/`] },
      to: { path: `^node_modules/${name}(/|$)` },
    })),
  ],
  options: { tsConfig: { fileName: 'tsconfig.json' }, tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' }, exclude: { path: 'generated/internal' } },
};
