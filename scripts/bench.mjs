/** `npm run bench [-- names and flags]`: measures the server against floors of the same run; test/bench/main.mjs has the story. */
import { resolve } from 'node:path';
import { handOver, nodeBinary, root, setUp } from './setup.mjs';

await setUp();
handOver(nodeBinary(), [resolve(root, 'test/bench/main.mjs'), ...process.argv.slice(2)]);
