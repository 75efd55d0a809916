import { fullFormats } from 'ajv-formats/dist/formats.js';

/** Formats that only say how wide a number is, or that a text is a secret or bytes. */
const LOOSE = ['int32', 'int64', 'float', 'double', 'password', 'binary', 'byte'] as const;

/** Formats a schema may name. `url` is left out: it is no format of JSON Schema, and its expression takes quadratic time. */
export const FORMATS: ReadonlySet<string> = new Set([
  'date', 'time', 'date-time', 'duration', 'uri', 'uri-reference', 'uri-template', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid', 'regex', 'json-pointer', 'relative-json-pointer', ...LOOSE,
]);

/** Nothing longer is of one of the other formats: their expressions backtrack. */
const LONGEST = 8 * 1024;

/** Whether a text is of a format, as the validation of schemas decides it. */
export function isOfFormat(format: string, text: string): boolean {
  const definition: unknown = fullFormats[format as keyof typeof fullFormats];
  if (text.length > LONGEST && !(LOOSE as readonly string[]).includes(format)) return false;
  const validate = typeof definition === 'object' && definition !== null && 'validate' in definition ? (definition as { validate: unknown }).validate : definition;
  if (validate instanceof RegExp) {
    // Some are global, and those begin where the last look ended.
    validate.lastIndex = 0;
    return validate.test(text);
  }
  return typeof validate === 'function' ? Boolean((validate as (text: string) => boolean)(text)) : true;
}

/** What ajv is given: for texts as above, for numbers as ajv-formats has it. */
export const AJV_FORMATS = Object.fromEntries([...FORMATS].map((name) => {
  const definition: unknown = fullFormats[name as keyof typeof fullFormats];
  return [name, (definition as { type?: string }).type === 'number' ? definition : (text: string) => isOfFormat(name, text)];
})) as typeof fullFormats;
