/** `npm start`: the server, on embedded defaults unless the environment says otherwise. */
import { resolve } from 'node:path';
import { handOver, nodeBinary, root, setUp } from './setup.mjs';

await setUp();
handOver(nodeBinary(), [resolve(root, 'dist/main.js')]);
