import { EVENT_TYPE } from '../../events/index.js';
import { namesOf } from '../../platform/index.js';
import { BASIC_CHALLENGE, findBasicSecretFault, verifyBasic } from '../verify/basic.js';
import { bearerChallenge, findBearerSecretFault, verifyBearer } from '../verify/bearer.js';
import { findSignedFaults, findTemplateFault, HMAC_CHOICES, verifyHmac } from '../verify/hmac.js';
import { formOf, headerOf } from '../verify/inbound.js';
import { verifyNone } from '../verify/none.js';
import { asciiText, findFaults, headerName, oneOf, path, type Rules } from './options.js';
import type { Provider } from './provider.js';
import { at, eventOf } from './reading.js';

const MAX_PATHS = 16;

/** Where a sender that we know nothing of keeps what its events are called by. */
const IDENTITY: Rules = {
  id_header: headerName, id_path: path, type_header: headerName, type_path: path, time_path: path, subject_path: path,
  event_type: (value) => (typeof value === 'string' && EVENT_TYPE.test(value) ? undefined : 'must be 1 to 255 characters of letters, digits and . _ : / -'),
  correlation_paths: (value) => (Array.isArray(value) && value.length <= MAX_PATHS && value.every((one) => path(one) === undefined) ? undefined : `must be at most ${MAX_PATHS} paths of names with dots between them`),
};
const SIGNATURE: Rules = {
  header: headerName, algorithm: oneOf(HMAC_CHOICES.algorithm), encoding: oneOf(HMAC_CHOICES.encoding), prefix: asciiText(64),
  signed: (value) => asciiText(1_000)(value) ?? findTemplateFault(value as string), timestamp_header: headerName, timestamp_unit: oneOf(HMAC_CHOICES.timestamp_unit),
};

/** Providers whose sources say themselves, in `options`, where id, type, time and subject stand. Forms are read like JSON. */
const selfDescribed = (name: string, rules: Rules, provider: Omit<Provider, 'name' | 'identify' | 'findOptionFaults'>, findMore: NonNullable<Provider['findOptionFaults']> = () => []): Provider => ({
  name,
  ...provider,
  identify: (inbound, json, options) => {
    const parsed = json ?? Object.fromEntries(formOf(inbound) ?? []);
    const atPath = (option: unknown): unknown => (typeof option === 'string' ? at(parsed, ...namesOf(option)) : undefined);
    const inHeader = (option: unknown): string | undefined => (typeof option === 'string' ? headerOf(inbound, option.toLowerCase()) : undefined);
    return [eventOf({
      id: inHeader(options.id_header) ?? atPath(options.id_path), type: inHeader(options.type_header) ?? atPath(options.type_path),
      otherwise: (options.event_type as string | undefined) ?? `${name}.received`, time: atPath(options.time_path), subject: atPath(options.subject_path),
      correlations: ((options.correlation_paths as string[] | undefined) ?? []).map(atPath),
    })];
  },
  findOptionFaults: (options) => {
    const faults = findFaults({ ...rules, ...IDENTITY }, options);
    return faults.length > 0 ? faults : findMore(options);
  },
});

export const hmac = selfDescribed('hmac', SIGNATURE, { needsSecret: true, verify: verifyHmac }, (options) => [
  ...(options.header === undefined ? [{ pointer: '/header', detail: 'is needed: the header that holds the signature' }] : []), ...findSignedFaults(options),
]);
export const basic = selfDescribed('basic', {}, { needsSecret: true, verify: verifyBasic, challenge: () => BASIC_CHALLENGE, findSecretFault: findBasicSecretFault });
export const bearer = selfDescribed('bearer', { header: headerName }, { needsSecret: true, verify: verifyBearer, challenge: bearerChallenge, findSecretFault: findBearerSecretFault });
export const none = selfDescribed('none', {}, { needsSecret: false, verify: verifyNone });
