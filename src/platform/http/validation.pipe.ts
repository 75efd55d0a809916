import { type ArgumentMetadata, Injectable, type PipeTransform, type Type } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validate, type ValidationError } from 'class-validator';
import { type Fault, pointerPart, Problem } from '../errors/problem.js';
import { transformable } from './as-sent.js';

/** Turns bodies and queries into their DTO classes; anything wrong or unknown is a 422 that names the field. */
@Injectable()
export class ValidationPipe implements PipeTransform {
  async transform(value: unknown, { metatype, type }: ArgumentMetadata): Promise<unknown> {
    if ((type !== 'body' && type !== 'query') || !isDto(metatype)) return value;
    return toDto(metatype, value ?? {}, type === 'query' ? '?' : '/');
  }
}

/** Makes a checked DTO of a plain object. Throws a 422 whose pointers start with `prefix`. */
export async function toDto<Dto>(dtoClass: Type<Dto>, plain: unknown, prefix: '?' | '/'): Promise<Dto> {
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw Problem.invalid({ pointer: '', detail: 'must be an object' });
  // class-transformer skips these two names, and no DTO of ours has them.
  const skipped = ['__proto__', 'constructor'].filter((name) => Object.hasOwn(plain, name));
  if (skipped.length > 0) throw Problem.invalid(...skipped.map((name) => ({ pointer: prefix + name, detail: 'is not known here' })));
  // In a body the parser has seen to it; a query arrives percent-encoded.
  const unstorable = Object.entries(plain).filter(([, value]) => typeof value === 'string' && value.includes('\0'));
  if (unstorable.length > 0) throw Problem.invalid(...unstorable.map(([name]) => ({ pointer: prefix + name, detail: 'must not hold \\u0000' })));
  const dto = plainToInstance(dtoClass, transformable(plain), { exposeDefaultValues: true });
  const errors = await validate(dto as object, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false, validationError: { target: false } });
  if (errors.length > 0) throw Problem.invalid(...errors.flatMap((error) => faultsOf(error, prefix)));
  return dto;
}

function isDto(metatype: Type<unknown> | undefined): metatype is Type<unknown> {
  return metatype !== undefined && ![Object, String, Number, Boolean, Array].includes(metatype as never);
}

/** A value that breaks one of these breaks others with it, which say nothing more. */
const TYPE_RULES = new Set(['isString', 'isArray', 'isBoolean', 'isObject', 'isInt']);

function faultsOf(error: ValidationError, prefix: string): Fault[] {
  const pointer = prefix + pointerPart(error.property);
  const broken = Object.entries(error.constraints ?? {});
  const types = broken.filter(([rule]) => TYPE_RULES.has(rule));
  const own = (types.length > 0 ? types : broken).map(([rule, message]) => ({
    pointer,
    detail: rule === 'whitelistValidation' ? 'is not known here'
      : message.replace(`each value in ${error.property} `, 'each ').replace(`All ${error.property}'s elements `, 'its elements ').replace(`${error.property} `, ''),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => faultsOf(child, `${pointer}/`))];
}
