/**
 * `node test/compose/trial.mjs [further compose files]`: the compose file's promises, tried on real containers. Needs Docker
 * with compose, and root for the crash (a process 1 can only be killed from outside). Works in a project of its own and
 * removes it; takes about two minutes.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const port = process.env.PORT ?? '18080';
const env = { ...process.env, PORT: port, OUTBOUND_ALLOW_PRIVATE: 'true', LAKEHOOK_ADMIN_KEY: '' };
const files = ['docker-compose.yml', ...process.argv.slice(2), 'test/compose/receiver.yml'].flatMap((file) => ['-f', file]);
const split = process.argv.length > 2;

function docker(...args) {
  const { status, stdout, stderr } = spawnSync('docker', args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`docker ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
  return stdout.trim();
}
const compose = (...args) => docker('compose', '-p', 'lakehook-trial', ...files, ...args);
const look = (service, format) => docker('inspect', '--format', format, compose('ps', '-aq', service).split('\n')[0]);

async function timed(promise, step) {
  const started = Date.now();
  const result = await step();
  console.log(`ok  ${promise} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return result;
}
function check(fact, detail) {
  if (!fact) throw new Error(`not so: ${detail}`);
}
async function until(what, look, seconds = 60) {
  for (const deadline = Date.now() + seconds * 1000; ; await sleep(100)) {
    const found = await look();
    if (found) return found;
    check(Date.now() < deadline, `${what} within ${seconds} s`);
  }
}

let key;
async function post(path, body) {
  // A kept connection would outlive the server between two calls.
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', connection: 'close' };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  check(answer.ok, `POST ${path} succeeds: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}
const told = (when, id) => compose('logs', '--no-log-prefix', 'receiver').includes(`{"when":"${when}","event":{"event_id":"${id}"`);
const publish = (type, id) => post('/v1/events', { event_type: type, event_id: id, data: { from: 'compose' } });
async function publishAndReceive(id) {
  await publish('trial.quick', id);
  await until(`${id} reaches the receiver`, () => told('answered', id));
}

try {
  compose('down', '-v', '--remove-orphans');
  await timed('comes up from nothing, unedited', () => compose('up', '-d', '--wait'));
  key = /Your admin key, shown this once: +(\S+)/.exec(compose('logs', '--no-log-prefix', 'app'))?.[1];
  check(key, 'the first start prints an admin key');
  await timed('runs as somebody other than root, as process 1', () => {
    check(compose('exec', '-T', 'app', 'cat', '/proc/1/status').includes('Uid:\t1000'), 'process 1 has user 1000');
    check(compose('exec', '-T', 'app', 'cat', '/proc/1/cmdline').startsWith('node\0dist/main.js'), 'process 1 is node');
  });
  await timed('publishes no port but its own', () => {
    const published = docker('ps', '--filter', 'label=com.docker.compose.project=lakehook-trial', '--format', '{{.Ports}}').match(/->\d+/g);
    check([...new Set(published)].join() === '->8080', `only 8080 is published: ${published}`);
  });
  await timed('lets nobody into the storage without a key', () => {
    const status = compose('exec', '-T', 'app', 'node', '-e', 'fetch("http://s3:8333/lakehook").then(({ status }) => console.log(status))');
    check(status === '403', `the bucket answers ${status} to a stranger`);
    const open = compose('exec', '-T', 'app', 'node', '-e', 'for (const port of [8888, 9333, 8080]) fetch(`http://s3:${port}/`).then(() => console.log(port), () => {})');
    check(open === '', `the storage's inner ports are closed: ${open}`);
  });
  await timed('delivers an event to a webhook', async () => {
    await post('/v1/webhooks', { url: 'http://receiver:8080/hook', events: ['trial.quick'] });
    await publishAndReceive('trial-1');
  });
  await timed('comes back from a crash and delivers', async () => {
    process.kill(Number(look('app', '{{.State.Pid}}')), 'SIGKILL');
    await until('the app restarts', () => look('app', '{{.RestartCount}} {{.State.Health.Status}}') === '1 healthy');
    await publishAndReceive('trial-2');
  });
  await timed('ROLE=migrate ends with 0', () => compose('run', '--rm', '-T', '-e', 'ROLE=migrate', 'app'));
  await post('/v1/webhooks', { url: 'http://receiver:8080/slow', events: ['trial.slow'] });
  await publish('trial.slow', 'trial-slow');
  await until('the slow attempt begins', () => told('begun', 'trial-slow'));
  await timed('stops within its grace period, after the attempt in flight', () => compose('stop', 'app', ...(split ? ['worker'] : [])));
  check(told('answered', 'trial-slow'), 'the attempt in flight was let end');
  check(look('app', '{{.State.ExitCode}}') === '0', `the app ended with ${look('app', '{{.State.ExitCode}}')}`);
  await timed('stops the rest', () => compose('stop'));
  await timed('comes up again with the same secrets and key', () => compose('up', '-d', '--wait'));
  await timed('delivers after the restart', () => publishAndReceive('trial-3'));
} catch (error) {
  console.error(compose('logs', '--tail', '15'));
  console.error(error);
  process.exitCode = 1;
} finally {
  compose('down', '-v', '--remove-orphans');
}
