import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate with its private key, both PEM. */
export interface Issued {
  certificate: string;
  key: string;
  name: string;
  keyObject: KeyObject;
}

export interface Wish {
  name: string;
  /** Who signs. Itself, when absent. */
  by?: Issued;
  ca?: boolean;
  from?: Date;
  until?: Date;
}

/** Makes an X.509 certificate for `localhost` and 127.0.0.1 on a fresh P-256 key. Node reads certificates but writes none, so this writes the DER itself. */
export function issue({ name, by, ca = false, from = new Date('2020-01-01'), until = new Date('2120-01-01') }: Wish): Issued {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(ECDSA_SHA256);
  const extensions = [
    sequence(BASIC_CONSTRAINTS, TRUE, der(0x04, sequence(...(ca ? [TRUE] : [])))),
    sequence(SUBJECT_ALT_NAME, der(0x04, sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1]))))),
  ];
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), der(0x02, Buffer.concat([Buffer.from([0x40]), randomBytes(8)])), algorithm, nameOf(by?.name ?? name),
    sequence(time(from), time(until)), nameOf(name), publicKey.export({ type: 'spki', format: 'der' }), der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', toBeSigned, by?.keyObject ?? privateKey);
  const certificate = sequence(toBeSigned, algorithm, der(0x03, Buffer.from([0]), signature));
  return { certificate: pem('CERTIFICATE', certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, name, keyObject: privateKey };
}

const ECDSA_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const TRUE = Buffer.from('0101ff', 'hex');

/** Tag, length, content. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function nameOf(name: string): Buffer {
  return sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))));
}

function time(at: Date): Buffer {
  return der(0x18, Buffer.from(`${at.toISOString().replace(/\D/g, '').slice(0, 14)}Z`));
}

function pem(label: string, bytes: Buffer): string {
  return `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n').trim()}\n-----END ${label}-----\n`;
}
