import { expect, test } from 'vitest';
import { bytesOfPart, MAX_PARTS } from './s3.js';

test('every part is as large as S3 demands, and as many as it takes hold 300 GiB', () => {
  const sizes = Array.from({ length: MAX_PARTS }, (_, index) => bytesOfPart(index));
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(5 * 1024 ** 2);
  // What one upload keeps in memory: two parts on their way and one that fills.
  expect(Math.max(...sizes) * 3).toBeLessThanOrEqual(200 * 1024 ** 2);
  expect(sizes.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(300 * 1024 ** 3);
});
