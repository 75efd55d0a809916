/** The names of a dotted path. A backslash makes the character behind it part of the name: `labels.app\.kubernetes\.io/name`. */
export function namesOf(path: string): string[] {
  const names: string[] = [];
  let name = '';
  for (let at = 0; at < path.length; at++) {
    if (path[at] === '.') {
      names.push(name);
      name = '';
    } else {
      name += path[at] === '\\' && at + 1 < path.length ? path[++at]! : path[at]!;
    }
  }
  return [...names, name];
}

/** The dotted path of names. */
export function pathOf(names: readonly string[]): string {
  return names.map((name) => name.replace(/[\\.]/g, '\\$&')).join('.');
}
