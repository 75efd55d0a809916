/** `npm start`: the server, on embedded defaults unless the environment says otherwise. */
import { resolve } from 'node:path';
import { handOver, nodeBinary, root, setUp } from './setup.mjs';

await setUp();
// Names are looked up on libuv's threads, of which four are too few when somebody's name servers are silent.
handOver(nodeBinary(), [resolve(root, 'dist/main.js')], { UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE || '32' });
