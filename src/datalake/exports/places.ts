import { Injectable } from '@nestjs/common';
import { openStore } from '../../platform/index.js';
import { Destinations } from '../destinations/destinations.js';
import type { OpenPlace } from './held.js';

/** Where exports of a tenant are written to and read from. */
@Injectable()
export class Places {
  constructor(private readonly destinations: Destinations) {}

  /** Whoever opens it closes its store. Throws a `Problem` where the destination cannot be used as it is on record. */
  async open({ tenantId, destinationId }: { tenantId: string; destinationId: string | null }): Promise<OpenPlace> {
    const { settings, root } = await this.destinations.storeOf(tenantId, destinationId);
    return { settings, store: openStore(settings), at: (key) => root + key, from: (storeKey) => storeKey.slice(root.length) };
  }
}
