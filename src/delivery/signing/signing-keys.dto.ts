import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { IfGiven } from '../../platform/index.js';

export class RotateSigningKey {
  /** How long the previous keys stay published after the new one has begun to sign. */
  @IfGiven() @IsInt() @Min(0) @Max(720)
  overlap_hours: number = 24;

  /** How long the new key is published before it signs: longer than receivers cache the key set. 0 when the old key has leaked. */
  @IfGiven() @IsInt() @Min(0) @Max(604_800)
  activate_after_seconds: number = 900;
}

/** A public key as RFC 7517 and RFC 8037 write it. */
export class PublicJwk {
  @ApiProperty({ enum: ['OKP'] })
  kty: 'OKP';
  @ApiProperty({ enum: ['Ed25519'] })
  crv: 'Ed25519';
  /** The 32 bytes of the key in base64url. */
  x: string;
  kid: string;
  @ApiProperty({ enum: ['sig'] })
  use: 'sig';
  @ApiProperty({ enum: ['EdDSA'] })
  alg: 'EdDSA';
}

export class SigningKeyView {
  /** The `kid` of the public key. */
  signing_key_id: string;
  /** `pending`: published, signs later. `active`: signs. `retiring`: signs no more, still published. */
  @ApiProperty({ enum: ['pending', 'active', 'retiring'] })
  status: string;
  created_at: string;
  activate_at: string;
  /** When it is no longer published. */
  retire_at: string | null;
  public_key: PublicJwk;
  /** Where receivers find this tenant's public keys, on this server. */
  jwks_path: string;
}

export class SigningKeyPage {
  data: SigningKeyView[];
  next_cursor: string | null;
}

export class PublicKeysQuery {
  /** Whose keys. Absent, those of the installation's first tenant. */
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional() @IsUUID()
  tenant_id?: string;

  /** Only this one of the tenant's keys. */
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional() @IsUUID()
  kid?: string;
}

export class PublicKeySet {
  keys: PublicJwk[];
}
