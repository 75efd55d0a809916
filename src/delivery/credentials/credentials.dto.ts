import { ApiProperty } from '@nestjs/swagger';

/** No `authorization` of its own. */
export class NoAuth {
  @ApiProperty({ enum: ['none'] })
  type: string;
}

export class BasicAuth {
  @ApiProperty({ enum: ['basic'] })
  type: string;
  username: string;
  /** Never shown. */
  password: string;
}

export class BearerAuth {
  @ApiProperty({ enum: ['bearer'] })
  type: string;
  /** Never shown. */
  token: string;
}

/** OAuth 2.0 client credentials: a token is fetched, kept until shortly before it expires, and sent as a bearer. */
export class OAuth2Auth {
  @ApiProperty({ enum: ['oauth2'] })
  type: string;
  /** Held to the same rules as the webhook's own URL. */
  token_url: string;
  client_id: string;
  /** Never shown. */
  client_secret: string;
  /** Separated by spaces. */
  scope?: string;
  audience?: string;
  /** How the client shows itself to the token endpoint: in a Basic header (the default), or in the form. */
  @ApiProperty({ enum: ['basic', 'body'], required: false, default: 'basic' })
  client_auth?: string;
}

export const AUTH_KINDS = [NoAuth, BasicAuth, BearerAuth, OAuth2Auth];

export class WebhookTls {
  /** PEM: the certificate that deliveries show, then its issuers, if any. */
  client_certificate?: string;
  /** PEM, not encrypted. Never shown. */
  client_key?: string;
  /** PEM: the authorities that the receiver's certificate may come from, instead of the public ones. */
  ca_certificate?: string;
}

export class WebhookCertificate {
  @ApiProperty({ enum: ['client', 'ca'] })
  role: string;
  subject: string;
  /** SHA-256. */
  fingerprint: string;
  not_after: string;
}
