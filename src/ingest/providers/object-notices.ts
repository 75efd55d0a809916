import { isObject } from '../../platform/index.js';
import { findBearerSecretFault } from '../verify/bearer.js';
import { loginChallenge, verifyLogin } from '../verify/login.js';
import { findFaults, headerName } from './options.js';
import type { Identified, ObjectNotice, Provider } from './provider.js';
import { at, elementTexts, eventOf, isListOfObjects, isStorable, jsonOf, memberText, textOfBody, timeOf } from './reading.js';

/**
 * Notices of buckets. S3 and MinIO send a list of `Records`, EventBridge one event, and SNS wraps either in its own. Which of the
 * three a source names makes no difference to what it understands. A subscription that SNS asks to confirm is an event like
 * any other: whoever runs the source follows its link, we call nobody.
 */
interface Notice {
  bucket: string;
  /** Decoded. */
  key: string;
  size?: number;
  etag?: string;
  version?: string;
  sequencer?: string;
  /** As the sender calls it: `ObjectCreated:Put`, `Object Created`. */
  name: string;
  time?: string;
}

/** The longest key that S3 allows. */
const MAX_KEY = 1_024;

const noticing = (name: string): Provider => ({
  name,
  needsSecret: true,
  verify: verifyLogin,
  challenge: loginChallenge,
  identify: (inbound, json) => eventsOf(json, textOfBody(inbound.body), `${name}.received`),
  answer: (_, json) => (isTest(unwrap(json)) ? { status: 200, contentType: 'application/json', body: '{}' } : undefined),
  findOptionFaults: (options) => findFaults({ header: headerName }, options),
  findSecretFault: findBearerSecretFault,
});

export const s3 = noticing('s3');
export const minio = noticing('minio');
export const eventbridge = noticing('eventbridge');

function eventsOf(json: unknown, text: string, otherwise: string): Identified[] {
  const inner = unwrap(json);
  if (isTest(inner)) return [];
  const innerText = inner === json ? text : at(json, 'Message') as string;
  const records = at(inner, 'Records');
  if (!isListOfObjects(records)) return [eventOfRecord(inner, otherwise, inner === json ? undefined : innerText)];
  const texts = elementTexts(memberText(innerText, 'Records'));
  return records.map((record, index) => eventOfRecord(record, otherwise, texts[index]));
}

function eventOfRecord(record: unknown, otherwise: string, data: string | undefined): Identified {
  const notice = noticeOf(record);
  if (!notice) {
    const [type, id, time] = [at(record, 'detail-type') ?? at(record, 'eventName') ?? at(record, 'Type'), at(record, 'id') ?? at(record, 'MessageId'), at(record, 'time') ?? at(record, 'Timestamp')];
    return eventOf({ id, type, otherwise, time, subject: at(record, 'resources', '0') ?? at(record, 'TopicArn'), data });
  }
  const { bucket, key, version, etag, sequencer, name, time } = notice;
  const place = `${bucket}/${key}`;
  // The sequencer tells the writes of one key apart; a bucket without one still has the version, the contents or the time.
  const id = [place, version ?? etag ?? '', sequencer ?? time ?? '', name].join('/');
  return eventOf({ id, type: name, otherwise, time, subject: place, correlations: [place], data, object: objectOf(notice) });
}

/** A record of S3 or MinIO, or an event of EventBridge; undefined when it is about no object. */
function noticeOf(record: unknown): Notice | undefined {
  const bridged = at(record, 'source') === 'aws.s3';
  const [place, object, name] = bridged ? [at(record, 'detail'), at(record, 'detail', 'object'), at(record, 'detail-type')] : [at(record, 's3'), at(record, 's3', 'object'), at(record, 'eventName')];
  const [bucket, key, size] = [at(place, 'bucket', 'name'), at(object, 'key'), at(object, 'size')];
  if (typeof bucket !== 'string' || typeof key !== 'string' || typeof name !== 'string') return undefined;
  // Another major version may mean something else by the same names.
  if (!bridged && !String(at(record, 'eventVersion')).startsWith('2.')) return undefined;
  const time = at(record, bridged ? 'time' : 'eventTime');
  return {
    bucket, key: bridged ? key : decoded(key), size: Number.isSafeInteger(size) ? size as number : undefined,
    etag: word(at(object, bridged ? 'etag' : 'eTag')), version: word(at(object, bridged ? 'version-id' : 'versionId')), sequencer: word(at(object, 'sequencer')),
    // MinIO writes the `s3:` that S3 keeps to its configuration.
    name: name.replace(/^s3:/, ''), time: word(time),
  };
}

function objectOf(notice: Notice | undefined): ObjectNotice | undefined {
  if (!notice) return undefined;
  const { bucket, key, size, etag, sequencer, version, name, time } = notice;
  const event = /^(?:ObjectCreated:|Object Created$)/.test(name) ? 'created' : /^(?:ObjectRemoved:|LifecycleExpiration:|Object Deleted$)/.test(name) ? 'removed' : undefined;
  if (!event || !isStorable(bucket) || !isStorable(key) || key.length > MAX_KEY) return undefined;
  const occurredAt = timeOf(time);
  return { bucket, key, size, etag, sequencer, version_id: version, event, occurred_at: occurredAt === undefined ? undefined : new Date(occurredAt).toISOString() };
}

/** What SNS carries in its `Message`, if it is SNS and carries JSON. */
function unwrap(json: unknown): unknown {
  const message = at(json, 'Type') === 'Notification' ? jsonOf(at(json, 'Message')) : undefined;
  return isObject(message) ? message : json;
}

/** What S3 sends when notices are set up. */
function isTest(json: unknown): boolean {
  return at(json, 'Event') === 's3:TestEvent';
}

/** Keys come as forms write them: `+` is a space. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}

function word(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= 255 && isStorable(value) ? value : undefined;
}
