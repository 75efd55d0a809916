/**
 * `npm run demo`: boots everything on embedded defaults and tells the story of an event, with a receiver of its own, and that of
 * costs on their way to DuckDB. Stays up until Ctrl-C; with `--once` it exits 0 when every step of the story happened, else 1.
 */
import { handOver, nodeBinary, root, setUp } from './setup.mjs';

await setUp();
handOver(nodeBinary(), [`${root}/scripts/demo/story.mjs`, ...process.argv.slice(2)]);
