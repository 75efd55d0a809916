import { crc32, inflateRawSync } from 'node:zlib';

export interface Unzipped {
  name: string;
  /** 0 stored, 8 deflated. */
  method: number;
  data: Buffer;
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const ENTRY = 0x02014b50;

/** The members of a zip by its directory, as a reader finds them: sizes and checksums are compared. Throws on what is no whole zip. */
export function unzip(zip: Buffer): Unzipped[] {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== END) end--;
  if (end < 0) throw new Error('no directory');
  let [count, at] = [zip.readUInt16LE(end + 10), zip.readUInt32LE(end + 16)];
  if (count === 0xffff || at === 0xffffffff) {
    const end64 = Number(zip.readBigUInt64LE(end - 20 + 8));
    if (zip.readUInt32LE(end64) !== END_64) throw new Error('no directory of 64 bits');
    [count, at] = [Number(zip.readBigUInt64LE(end64 + 32)), Number(zip.readBigUInt64LE(end64 + 48))];
  }
  const members: Unzipped[] = [];
  for (let index = 0; index < count; index++) {
    if (zip.readUInt32LE(at) !== ENTRY) throw new Error(`no entry ${index}`);
    const [method, sum, packed, size] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 16), zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 24)];
    const [nameLength, extraLength, commentLength, local] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt16LE(at + 32), zip.readUInt32LE(at + 42)];
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const raw = zip.subarray(from, from + packed);
    const data = method === 8 ? inflateRawSync(raw) : raw;
    if (data.length !== size || crc32(data) !== sum) throw new Error(`${name} is broken`);
    members.push({ name, method, data });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return members;
}
