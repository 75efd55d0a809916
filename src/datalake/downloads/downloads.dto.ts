import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length } from 'class-validator';

const MODES = ['stream', 'redirect'] as const;

export class AskDownload {
  /** One of the files: its `key`, or its path from the export's `prefix`. */
  @IsOptional() @IsString() @Length(1, 1024)
  file?: string;

  /** `redirect`: a file in a bucket is answered by 302 to a link that is good for some minutes. `stream`, the default: it comes through here. */
  @ApiPropertyOptional({ enum: MODES })
  @IsOptional() @IsIn(MODES, { message: `must be one of ${MODES.join(', ')}` })
  mode?: (typeof MODES)[number];
}
