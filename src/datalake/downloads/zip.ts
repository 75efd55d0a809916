import { once } from 'node:events';
import { Readable } from 'node:stream';
import { ZipArchive } from 'archiver';

/** A file on its way into an archive. */
export interface Member {
  /** Folders and all; made harmless by {@link safeName}. */
  name: string;
  date: Date;
  /** It would not become smaller. */
  isCompressed: boolean;
  /** Called when its turn has come. */
  open(): Promise<Readable>;
}

/** What some system takes for more than a letter of a name. */
const STRANGE = /[<>:"|?*\x00-\x1f\x7f]/g;

/** A name that stays inside the folder it is unpacked in, on any system. */
export function safeName(name: string): string {
  const parts = name.toWellFormed().split(/[/\\]/).map((part) => part.replace(STRANGE, '_').replace(/[. ]+$/, '')).filter((part) => part !== '');
  return parts.join('/') || '_';
}

/**
 * A zip of members, one after another, as it is read: nothing is kept, and one file is open at a time. A member that fails, fails the
 * zip before its directory is written, so that no reader takes it for whole. Destroyed, it opens and reads nothing more.
 */
export function zipOf(members: Iterable<Member>): Readable {
  const archive = new ZipArchive({ zlib: { level: 1 } });
  const ended = new AbortController();
  let body: Readable | undefined;
  const feed = async (): Promise<void> => {
    for (const { name, date, isCompressed, open } of members) {
      body = await open();
      // Also when nobody waits for it any more.
      body.on('error', (error) => archive.destroy(error));
      if (ended.signal.aborted) return void body.destroy();
      const taken = once(archive, 'entry', { signal: ended.signal });
      archive.append(body, { name: safeName(name), date, store: isCompressed });
      await taken;
      if (!body.closed) await once(body, 'close', { signal: ended.signal });
    }
    await archive.finalize();
  };
  archive.on('error', () => {});
  archive.once('close', () => {
    ended.abort();
    body?.destroy();
  });
  feed().catch((error: Error) => archive.destroy(error));
  return archive;
}
