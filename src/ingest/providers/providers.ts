import { dwolla } from './dwolla.js';
import { github } from './github.js';
import { eventbridge, minio, s3 } from './object-notices.js';
import type { Provider } from './provider.js';
import { basic, bearer, hmac, none } from './self-described.js';
import { shopify } from './shopify.js';
import { slack } from './slack.js';
import { standardWebhooks, svix } from './standard-webhooks.js';
import { stripe } from './stripe.js';
import { twilio } from './twilio.js';

/** Every provider, by the name that sources use. */
export const PROVIDERS: ReadonlyMap<string, Provider> = new Map(
  [dwolla, stripe, github, shopify, slack, twilio, standardWebhooks, svix, hmac, basic, bearer, s3, minio, eventbridge, none].map((provider) => [provider.name, provider]),
);
