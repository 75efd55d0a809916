import { type Facts, keyword, type Node } from './facts.js';

/** What of a keyword does not follow from the facts. */
type Fault = [keyword: string, detail: string];

interface Bound {
  value: number;
  excluded: boolean;
}

const LENGTHS = { minLength: 'characters', maxLength: 'characters', minItems: 'elements', maxItems: 'elements' } as const;
const TEXT_FORMATS_WITHOUT_RULE = new Set(['int32', 'int64', 'float', 'double', 'password', 'binary']);

/** Bounds, factors and widths of a schema for numbers that do not follow from the facts. `whole`: the facts leave whole numbers only. */
export function findNumberBreaks(facts: Facts, part: Node, whole: boolean): Fault[] {
  const faults: Fault[] = [];
  for (const [inclusive, exclusive, sign, words] of [['minimum', 'exclusiveMinimum', 1, 'at least'], ['maximum', 'exclusiveMaximum', -1, 'at most']] as const) {
    const known = tightest(facts.flatMap((fact) => boundsOf(fact, inclusive, exclusive, sign)), whole);
    for (const wanted of boundsOf(part, inclusive, exclusive, sign)) {
      const follows = known.value > wanted.value || (known.value === wanted.value && (known.excluded || !wanted.excluded));
      if (!follows) faults.push([wanted.excluded ? exclusive : inclusive, `wants ${wanted.excluded ? (sign > 0 ? 'more than' : 'less than') : words} ${sign * wanted.value}`]);
    }
  }
  const factor = keyword<number>(part, 'multipleOf');
  const isMultiple = factor === undefined || (whole && Number.isInteger(1 / factor)) || facts.some((fact) => {
    const known = keyword<number>(fact, 'multipleOf');
    return known === factor || (known !== undefined && whole && Number.isInteger(known) && Number.isInteger(known / factor));
  });
  if (!isMultiple) faults.push(['multipleOf', `wants a multiple of ${factor}`]);
  const format = keyword<string>(part, 'format');
  const isWide = !['int32', 'int64'].includes(format ?? '') || (format === 'int64' && whole) || facts.some((fact) => keyword(fact, 'format') === format);
  if (!isWide) faults.push(['format', `wants the format ${format}`]);
  return faults;
}

export function findStringBreaks(facts: Facts, part: Node): Fault[] {
  const faults = [...findLengthBreak(facts, part, 'minLength', 1), ...findLengthBreak(facts, part, 'maxLength', -1)];
  for (const name of ['pattern', 'format']) {
    const wanted = keyword<string>(part, name);
    if (wanted === undefined || (name === 'format' && TEXT_FORMATS_WITHOUT_RULE.has(wanted)) || facts.some((fact) => keyword(fact, name) === wanted)) continue;
    faults.push([name, `wants the ${name} ${wanted}`]);
  }
  return faults;
}

export function findArrayBreaks(facts: Facts, part: Node): Fault[] {
  const faults = [...findLengthBreak(facts, part, 'minItems', 1), ...findLengthBreak(facts, part, 'maxItems', -1)];
  const isUnique = keyword(part, 'uniqueItems') !== true || facts.some((fact) => keyword(fact, 'uniqueItems') === true || (keyword<number>(fact, 'maxItems') ?? Infinity) <= 1);
  if (!isUnique) faults.push(['uniqueItems', 'wants no element twice']);
  return faults;
}

function findLengthBreak(facts: Facts, part: Node, name: keyof typeof LENGTHS, sign: 1 | -1): Fault[] {
  const wanted = keyword<number>(part, name);
  // No length is below 0, so that much is always known.
  const known = Math.max(sign > 0 ? 0 : -Infinity, ...facts.map((fact) => (keyword<number>(fact, name) ?? -sign * Infinity) * sign));
  return wanted === undefined || known >= wanted * sign ? [] : [[name, `wants at ${sign > 0 ? 'least' : 'most'} ${wanted} ${LENGTHS[name]}`]];
}

/** Lower bounds as they are, upper ones with their sign turned, so that greater always means tighter. */
function boundsOf(node: Node, inclusive: string, exclusive: string, sign: 1 | -1): Bound[] {
  const [closed, open] = [keyword<number>(node, inclusive), keyword<number>(node, exclusive)];
  return [...(closed === undefined ? [] : [{ value: closed * sign, excluded: false }]), ...(open === undefined ? [] : [{ value: open * sign, excluded: true }])];
}

function tightest(bounds: Bound[], whole: boolean): Bound {
  const best = bounds.reduce((a, b) => (b.value > a.value || (b.value === a.value && b.excluded) ? b : a), { value: -Infinity, excluded: false });
  if (!whole || !Number.isFinite(best.value)) return best;
  const first = Math.ceil(best.value);
  return { value: best.excluded && first === best.value ? first + 1 : first, excluded: false };
}
