import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Database } from '../platform/index.js';
import { AuditPage, AuditVerification, ListAudit } from './audit.dto.js';
import { Audit } from './audit.js';
import { Allow, type Caller, CurrentCaller } from './caller.js';

@ApiTags('Audit log')
@ApiBearerAuth()
@Controller('v1/audit-log')
export class AuditController {
  constructor(private readonly db: Database, private readonly audit: Audit) {}

  /** Lists who changed what, newest first. */
  @Get() @Allow('audit:read')
  list(@CurrentCaller() caller: Caller, @Query() { action, subject_id, from, to, limit, cursor }: ListAudit): Promise<AuditPage> {
    return this.audit.list(this.db.client, caller, { action, subjectId: subject_id, from: from ? new Date(from) : undefined, to: to ? new Date(to) : undefined }, limit, cursor);
  }

  /** Recomputes the chain of hashes and names the first record at which it breaks, if any. */
  @Get('verify') @Allow('audit:read')
  verify(@CurrentCaller() caller: Caller): Promise<AuditVerification> {
    return this.audit.verify(this.db.client, caller);
  }
}
