import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Audit, type Caller } from '../auth/index.js';
import { Clock, Database, isDatabaseAway, Log, Problem } from '../platform/index.js';
import { type Feature, features, includes } from './feature.js';
import { FeatureView, type RollOut } from './features.dto.js';

/** How late a change is seen by other processes, at most. */
const REFRESH_MS = 500;

/** How far features are rolled out: stored for all processes, remembered by each. */
@Injectable()
export class Features implements OnApplicationBootstrap {
  private percentages = new Map<string, number>();

  constructor(private readonly db: Database, private readonly clock: Clock, private readonly audit: Audit, private readonly log: Log) {}

  /** Whether a feature is for a subject. Costs a hash. */
  isOn(feature: Feature, subject: string): boolean {
    return includes(feature.name, this.percentages.get(feature.name) ?? feature.percentage, subject);
  }

  /** Every feature that the code declares, by name. */
  async list(): Promise<FeatureView[]> {
    const rows = new Map((await this.db.client.feature.findMany()).map((row) => [row.name, row]));
    return [...features.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).map((feature) => FeatureView.of(feature, rows.get(feature.name)));
  }

  async rollOut(caller: Caller, name: string, { percentage, note = null }: RollOut): Promise<FeatureView> {
    const feature = features.get(name);
    if (!feature) throw Problem.notFound('feature');
    const row = await this.db.transaction(async (tx) => {
      const before = await tx.feature.findUnique({ where: { name } });
      const value = { percentage, note, changedAt: new Date(this.clock.now()) };
      const after = await tx.feature.upsert({ where: { name }, create: { name, ...value }, update: value });
      await this.audit.record(tx, caller, {
        action: 'feature.rolled-out', subject_type: 'feature', subject_id: name,
        before: { percentage: before?.percentage ?? feature.percentage, note: before?.note ?? null }, after: { percentage, note },
      });
      return after;
    });
    this.percentages.set(name, percentage);
    return FeatureView.of(feature, row);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
  }

  /** While the database is away what was last known holds. */
  @Interval(REFRESH_MS)
  async refresh(): Promise<void> {
    try {
      this.percentages = new Map((await this.db.client.feature.findMany()).map(({ name, percentage }) => [name, percentage]));
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'reading the features failed');
    }
  }
}
