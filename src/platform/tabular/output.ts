/** Bytes being written. Encoders write to `bytes` at `at` themselves, after `reserve`. */
export class Output {
  bytes: Buffer;
  at = 0;

  constructor(private readonly capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for that many more. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, this.at + count));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  /** What was written since the last time, for good: nobody writes to it again. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.at);
    this.bytes = Buffer.allocUnsafeSlow(this.capacity);
    this.at = 0;
    return taken;
  }
}
