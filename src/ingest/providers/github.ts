import { verifyGithub } from '../verify/github.js';
import { formOf, headerOf } from '../verify/inbound.js';
import type { Provider } from './provider.js';
import { at, eventOf, jsonOf } from './reading.js';

const COMMITS = [['after'], ['pull_request', 'head', 'sha'], ['check_run', 'head_sha'], ['check_suite', 'head_sha'], ['workflow_run', 'head_sha'], ['workflow_job', 'head_sha'], ['deployment', 'sha'], ['sha']];
const NUMBERED = ['pull_request', 'issue', 'discussion'];

/** Id and event stand in headers, which GitHub does not sign. A webhook set to `application/x-www-form-urlencoded` holds its JSON in the field `payload`. */
export const github: Provider = {
  name: 'github',
  needsSecret: true,
  verify: verifyGithub,
  identify: (inbound, json) => {
    const payload = json ?? jsonOf(formOf(inbound)?.get('payload'));
    const event = headerOf(inbound, 'x-github-event');
    const action = at(payload, 'action');
    const subject = at(payload, 'repository', 'full_name') ?? at(payload, 'organization', 'login');
    const numbers = NUMBERED.flatMap((name) => at(payload, name, 'number') ?? []);
    return [eventOf({
      id: headerOf(inbound, 'x-github-delivery'), type: event && typeof action === 'string' ? `${event}.${action}` : event, otherwise: 'github.received', subject,
      correlations: [...numbers.map((number) => `${String(subject)}#${String(number)}`), ...COMMITS.map((names) => at(payload, ...names))],
    })];
  },
};
