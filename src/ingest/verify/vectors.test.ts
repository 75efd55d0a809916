import { expect, test } from 'vitest';
import { PROVIDERS } from '../providers/providers.js';

const SLACK = 'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
const STANDARD = { secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', at: 1_614_265_330, body: '{"test": 2432232314}' };
const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const HEX = { header: 'x-sig' };
const BODY_HASH = '0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620';

interface Vector {
  secret: string;
  headers: Record<string, string>;
  body: string;
  at?: number;
  url?: string;
  options?: Record<string, unknown>;
}

/** What providers publish, and where they publish none, what their formula makes: computed with other tools. */
const VECTORS: [string, string, Vector][] = [
  ['slack', 'its documentation', { secret: '8f742231b10e8888abcd99yyyzzz85a5', at: 1_531_420_618, headers: { 'x-slack-request-timestamp': '1531420618', 'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503' }, body: SLACK }],
  ['github', 'its documentation', { secret: "It's a Secret to Everybody", headers: { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' }, body: 'Hello, World!' }],
  ['github', 'the tests of octokit', { secret: 'mysecret', headers: { 'x-hub-signature-256': 'sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3' }, body: '{"foo":"bar"}' }],
  ['twilio', 'its documentation', {
    secret: '12345', url: 'https://mycompany.com/myapp.php?foo=1&bar=2', headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=' },
    body: 'CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212',
  }],
  ['twilio', 'the tests of its libraries, for a body of JSON', {
    secret: '12345', url: `https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=${BODY_HASH}`, headers: { 'content-type': 'application/json', 'x-twilio-signature': 'a9nBmqA0ju/hNViExpshrM61xv4=' },
    body: '{"property": "value", "boolean": true}',
  }],
  ['standard_webhooks', 'the reference libraries', { ...STANDARD, headers: { 'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'webhook-timestamp': '1614265330', 'webhook-signature': SIGNATURE } }],
  ['svix', 'its libraries', { ...STANDARD, headers: { 'svix-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'svix-timestamp': '1614265330', 'svix-signature': SIGNATURE } }],
  ['stripe', 'the documented formula', { secret: 'whsec_test_secret', at: 1_614_265_330, headers: { 'stripe-signature': 't=1614265330,v1=af4ead0627a34a8cca29808e8de9ada8e41a92e6237c63cef6eacf51d36cca34' }, body: '{\n  "id": "evt_test_webhook",\n  "object": "event"\n}' }],
  ['shopify', 'a public verifier', { secret: 'Convoy', headers: { 'x-shopify-hmac-sha256': '16FUVH58NeMcTIIOICN2UJOcPTTa4TbjCndXymGrtM8=' }, body: 'Test Payload Body' }],
  ['shopify', 'the same in the newer header', { secret: 'Convoy', headers: { 'shopify-hmac-sha256': '16FUVH58NeMcTIIOICN2UJOcPTTa4TbjCndXymGrtM8=' }, body: 'Test Payload Body' }],
  ['dwolla', 'the documented formula', { secret: 'sshhhhhh', headers: { 'x-request-signature-sha-256': '295f26e662e711a538078f7cd4c55fd424894d257bcebac50039a25214202747' }, body: '{"id":"29a82d20-a703-41cb-9b3c-bd409c499925","topic":"customer_created"}' }],
  ['hmac', 'the SDKs of Stripe, for the HMAC alone and no body', { secret: 'test_secret', options: HEX, headers: { 'x-sig': 'f7f9bd47fb987337b5796fdc1fdb9ba221d0d5396814bfcaf9521f43fd8927fd' }, body: '' }],
  ['hmac', 'the SDKs of Stripe, for an object', { secret: 'test_secret', options: HEX, headers: { 'x-sig': 'bebb1a643997f419b315ddba19e6f5411e1ce7f810ba6d3617ce72823092f363' }, body: '{"obj1":"hello","obj2":"world"}' }],
  ['hmac', 'the SDKs of Stripe, for unicode', { secret: 'test_secret', options: HEX, headers: { 'x-sig': '837da296d05c4fe31f61d5d7ead035099d9585a5bcde87de952012a78f0b0c43' }, body: '😀' }],
];

test.each(VECTORS)('%s: the vector of %s is genuine, and with one byte more it is not', (name, _, { secret, headers, body, at = 0, url = 'https://example.com/', options = {} }) => {
  const verify = (body: string) => PROVIDERS.get(name)!.verify({ body: Buffer.from(body), headers, url }, { secrets: [secret], toleranceSeconds: 300, now: at * 1000, options });
  expect(verify(body)).toBeUndefined();
  expect(verify(`${body} `)).toMatchObject({ reason: 'mismatch' });
});
