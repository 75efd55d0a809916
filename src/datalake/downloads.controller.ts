import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Problem, UuidParam } from '../platform/index.js';
import { AskDownload } from './downloads/downloads.dto.js';
import { Downloads } from './downloads/downloads.js';

@ApiTags('Data lake')
@ApiBearerAuth()
@Controller('v1/datalake/exports')
export class DownloadsController {
  constructor(private readonly downloads: Downloads) {}

  /** The file of an export as it is, with `Range`; of several, the one that `file` names, or a zip of all. */
  @Get(':export_id/download') @ApiProduces('application/octet-stream') @ApiOkResponse({ schema: { type: 'string', format: 'binary' } }) @Allow('datalake:read')
  async download(@CurrentCaller() caller: Caller, @Param('export_id', new UuidParam('export')) id: string, @Query() query: AskDownload, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<Readable | undefined> {
    const { headers: { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch }, method } = request;
    const isHead = method === 'HEAD';
    const { status, headers, body } = await this.downloads.open(caller, id, query, { isHead, range, ifRange: ifRange as string | undefined, ifNoneMatch });
    void reply.headers(headers);
    if (status === 416) throw new Problem('range_not_satisfiable', 'The file ends before the first byte that is asked for.');
    void reply.status(status);
    // What a HEAD is answered with would have its length put in place of the file's, unless it is a stream.
    return isHead ? Readable.from([]) : body;
  }
}
