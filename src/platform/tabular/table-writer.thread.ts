import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { Snapshot } from '../db/copy.js';
import { Pace } from '../pacing/pace.js';
import { openStore } from '../storage/open-store.js';
import type { Progress } from './table.js';
import { type Answer, type Request, type Result, sendable, type ThreadSettings } from './thread.js';
import { writePart } from './write-part.js';

/** What the process has (0) and the most that may be given away (19): files can wait, publishes cannot. */
const PRIORITY = 10;
const PROGRESS_MS = 500;

const { databaseUrl, store: storeSettings, pace: paceMemory } = workerData as ThreadSettings;
const port = parentPort!;
const pace = new Pace(paceMemory);
const aborting = new AbortController();
const send = (answer: Answer): void => port.postMessage(answer);

yieldToOthers();
const store = openStore(storeSettings);
const opening = Snapshot.open(databaseUrl);
// Whoever asks first hears of it.
opening.catch(() => {});
aborting.signal.addEventListener('abort', () => void opening.then((snapshot) => snapshot.cut()));

port.on('message', (request: Request) => {
  work(request).then((result) => send({ id: request.id, result }), (error: unknown) => send({ id: request.id, fault: sendable(error) }));
});

async function work(request: Request): Promise<Result> {
  if (request.call === 'abort') return void aborting.abort();
  const snapshot = await opening;
  switch (request.call) {
    case 'open': return snapshot.takenAt.getTime();
    case 'rows': return snapshot.rows(request.sql);
    case 'write': return writePart(snapshot, store, request.part, aborting.signal, pace, atTimes((progress) => send({ id: request.id, progress })));
    case 'close':
      await snapshot.close();
      return void store.close();
  }
}

/** Calls at most some times a second. */
function atTimes(report: (progress: Progress) => void): (progress: Progress) => void {
  let due = performance.now() + PROGRESS_MS;
  return (progress) => {
    if (performance.now() < due) return;
    due = performance.now() + PROGRESS_MS;
    report(progress);
  };
}

/** On Linux a thread can have a priority of its own; elsewhere it has that of the process. */
function yieldToOthers(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    if (thread !== process.pid) setPriority(thread, PRIORITY);
  } catch {
    // No such file, or not allowed: then without.
  }
}
