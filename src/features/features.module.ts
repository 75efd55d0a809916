import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { FeaturesController } from './features.controller.js';
import { Features } from './features.js';

/**
 * # Features: what is rolled out by degrees
 *
 * A feature is declared as a value next to its owner (`defineFeature`), with the share of subjects it is for. An operator changes
 * that share while all runs (`features.controller` → `features.ts`, on record in the audit log); the owner asks `isOn(feature, subject)`.
 * Who is included follows from a hash of the feature's name and the subject (`feature.ts`).
 *
 * Guaranteed: every process obeys a change within a second; raising a share only adds subjects.
 */
@Module({ imports: [AuthModule], controllers: [FeaturesController], providers: [Features], exports: [Features] })
export class FeaturesModule {}
