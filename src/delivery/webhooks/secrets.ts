import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Clock, Problem, Sealer, type Tx, type WebhookSecret } from '../../platform/index.js';
import { findSecretFault, makeSecret } from '../signing/sign.js';
import { sealSecret } from './endpoints.js';
import type { RotatedSecret, RotateSecret, SecretPage } from './webhooks.dto.js';
import { Webhooks } from './webhooks.js';

/** Live secrets at once: the current one, which has no end, and what still overlaps with it. */
const MAX_SECRETS = 5;
const HOUR_MS = 3_600_000;

/** The signing secrets of a webhook. Their values leave here only when they are made. */
@Injectable()
export class Secrets {
  constructor(private readonly webhooks: Webhooks, private readonly sealer: Sealer, private readonly clock: Clock) {}

  /** The live ones, newest first. At most five, so one page. */
  async list(tx: Tx, caller: Caller, webhookId: string): Promise<SecretPage> {
    const { secrets } = await this.webhooks.find(tx, caller, webhookId);
    return {
      data: this.live(secrets).map(({ secretId, hint, createdAt, expiresAt }) => ({ secret_id: secretId, hint, created_at: createdAt.toISOString(), expires_at: expiresAt?.toISOString() ?? null })),
      next_cursor: null,
    };
  }

  /** A new secret signs from now on; the previous ones go on signing beside it for a while. */
  async rotate(tx: Tx, caller: Caller, webhookId: string, { overlap_hours, secret = makeSecret() }: RotateSecret): Promise<RotatedSecret> {
    const { secrets } = await this.webhooks.lock(tx, caller, webhookId);
    const fault = findSecretFault(secret);
    if (fault) throw Problem.invalid({ pointer: '/secret', detail: fault });
    const now = this.clock.now();
    const until = new Date(now + overlap_hours * HOUR_MS);
    const live = this.live(secrets);
    if (live.length >= MAX_SECRETS && overlap_hours > 0) {
      throw new Problem('conflict', `${MAX_SECRETS} secrets are live already. Delete one, wait for one to expire, or rotate with overlap_hours 0.`);
    }
    await tx.webhookSecret.deleteMany({ where: { webhookId, secretId: { notIn: overlap_hours > 0 ? live.map(({ secretId }) => secretId) : [] } } });
    await tx.webhookSecret.updateMany({ where: { webhookId, OR: [{ expiresAt: null }, { expiresAt: { gt: until } }] }, data: { expiresAt: until } });
    await tx.webhookSecret.create({ data: { webhookId, ...sealSecret(this.sealer, secret, now) } });
    await this.touch(tx, webhookId);
    await this.webhooks.record(tx, caller, 'secret_rotated', webhookId, { after: { overlap_hours } });
    return { webhook_id: webhookId, secret, previous_expires_at: until.toISOString() };
  }

  /** Ends a secret at once. Where it was the current one, the newest that is left takes its place and no longer expires. */
  async delete(tx: Tx, caller: Caller, webhookId: string, secretId: string): Promise<void> {
    const live = this.live((await this.webhooks.lock(tx, caller, webhookId)).secrets);
    if (!live.some((secret) => secret.secretId === secretId)) throw Problem.notFound('secret');
    const [newest] = live.filter((secret) => secret.secretId !== secretId);
    if (!newest) throw new Problem('conflict', 'This is the only live secret. Rotate first: with overlap_hours 0 that ends it, too.');
    await tx.webhookSecret.delete({ where: { secretId } });
    if (!live.some((secret) => secret.secretId !== secretId && !secret.expiresAt)) await tx.webhookSecret.update({ where: { secretId: newest.secretId }, data: { expiresAt: null } });
    await this.touch(tx, webhookId);
    await this.webhooks.record(tx, caller, 'secret_deleted', webhookId, { before: { secret_id: secretId } });
  }

  /** Tells dispatchers that what they remember of the webhook is old. */
  private async touch(tx: Tx, webhookId: string): Promise<void> {
    await tx.webhook.update({ where: { webhookId }, data: { version: { increment: 1 }, updatedAt: new Date(this.clock.now()) } });
  }

  private live(secrets: WebhookSecret[]): WebhookSecret[] {
    const now = this.clock.now();
    return secrets.filter(({ expiresAt }) => !expiresAt || expiresAt.getTime() > now).sort((a, b) => (a.secretId < b.secretId ? 1 : -1));
  }
}
