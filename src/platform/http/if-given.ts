import { ValidateIf } from 'class-validator';

/** An optional field that, where it is given, must not be null: null would pass for "not narrowed" or "as it was". */
export const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);
