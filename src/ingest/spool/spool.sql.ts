import type { Lane } from '../../platform/index.js';

/** How far a segment has been drained, by whomever. Leans on the primary key, like all of these. */
export async function positionOf(lane: Lane, segmentId: string): Promise<number> {
  const { rows } = await lane.executeSql<{ position: string }>('SELECT position FROM spool_segments WHERE segment_id = $1::uuid', [segmentId]);
  return Number(rows[0]?.position ?? 0);
}

/**
 * Notes that a segment is drained from `from` up to `to`, in the transaction that stores what stands there. Answers false when
 * somebody has gone on from `from` before; whoever does so at the same time waits here. Raw because one statement has to
 * decide between them.
 */
export async function advance(lane: Lane, segmentId: string, from: number, to: number): Promise<boolean> {
  const { rows } = await lane.executeSql(`
    INSERT INTO spool_segments AS s (segment_id, position, updated_at) VALUES ($1::uuid, $3::bigint, now())
    ON CONFLICT (segment_id) DO UPDATE SET position = EXCLUDED.position, updated_at = EXCLUDED.updated_at WHERE s.position = $2::bigint
    RETURNING 1`, [segmentId, from, to]);
  return rows.length > 0;
}

/** Forgets a segment whose file is gone, and those whose files went without a word: a month ago, nobody has them any more. */
export async function forgetSegment(lane: Lane, segmentId: string): Promise<void> {
  await lane.executeSql("DELETE FROM spool_segments WHERE segment_id = $1::uuid OR updated_at < now() - interval '30 days'", [segmentId]);
}

/** Keeps a record that Postgres refuses. */
export async function keepRefused(lane: Lane, segmentId: string, position: number, reason: string, record: Buffer): Promise<void> {
  await lane.executeSql('INSERT INTO spool_refused (segment_id, position, reason, record, refused_at) VALUES ($1::uuid, $2::bigint, $3, $4, now())', [segmentId, position, reason, record]);
}

/** Whether one of these transactions may still commit: a backend may live on whose client has long gone. */
export async function isUnderWay(lane: Lane, xids: string[]): Promise<boolean> {
  const { rows } = await lane.executeSql<{ under_way: boolean }>(`
    SELECT EXISTS (
      SELECT FROM unnest($1::text[]) AS x(xid)
       -- What is not older than a transaction of now was begun on another cluster, before a failover or a restore.
       WHERE CASE WHEN xid::xid8 < pg_current_xact_id() THEN pg_xact_status(xid::xid8) = 'in progress' END
    ) AS under_way`, [xids]);
  return rows[0]!.under_way;
}
