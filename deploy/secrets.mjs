/**
 * Makes this installation's passwords on its first start and leaves them alone on every later one, so that
 * `docker compose up` needs no editing and no two installations share a secret.
 *
 * Who may read a secret is decided by who mounts its volume. The files are therefore readable to any user: the images
 * that need them run as users whose numbers we do not choose.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, renameSync, writeFileSync } from 'node:fs';

/** URL-safe, so that it can stand in a connection string as it is. */
const secret = (bytes) => randomBytes(bytes).toString('base64url');

function make(path, content) {
  if (existsSync(path)) return;
  // Written beside its place and moved there: a start that is killed half way leaves no half secret.
  writeFileSync(`${path}.new`, content(), { mode: 0o444 });
  renameSync(`${path}.new`, path);
  console.log(`made ${path}`);
}

make('/secrets/postgres/password', () => secret(24));
make('/secrets/s3/s3.json', () => JSON.stringify({
  identities: [{ name: 'lakehook', credentials: [{ accessKey: secret(15), secretKey: secret(30) }], actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'] }],
}));
