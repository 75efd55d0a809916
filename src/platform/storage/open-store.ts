import { DiskStore } from './disk.js';
import { S3Store } from './s3.js';
import type { Store, StoreSettings } from './store.js';

/** Contacts nobody yet: a store that cannot be reached says so at the first call. */
export function openStore(settings: StoreSettings): Store {
  return settings.type === 'disk' ? new DiskStore(settings) : new S3Store(settings);
}
