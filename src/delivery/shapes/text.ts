// C0 and C1 controls; direction marks and overrides, with which text pretends to be another; zero-width space, word joiner, BOM; line separators.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/g;

/** Text that somebody published, fit to be shown: one line, well-formed, nothing invisible. Only the first `most` UTF-16 units are looked at. */
export function clean(text: string, most = 4_000): string {
  return text.slice(0, most).toWellFormed().replace(UNPRINTABLE, ' ').trim();
}

/**
 * The longest beginning of `text` that has at most `most` UTF-16 units once escaped, with an ellipsis where something is
 * missing. Neither a surrogate pair nor an escape is cut in two. `escape` takes a text of any length, character by character.
 */
export function clip(text: string, most: number, escape: (text: string) => string = (same) => same): string {
  if (text.length <= most) {
    const whole = escape(text);
    if (whole.length <= most) return whole;
  } else {
    // Mostly there is nothing to escape where it is cut.
    const head = text.slice(0, most);
    if (escape(head) === head) return `${head.slice(0, isHighSurrogate(head.charCodeAt(most - 2)) ? most - 2 : most - 1)}…`;
  }
  let out = '';
  // Where to cut, should the rest not fit: the last place that leaves room for the ellipsis.
  let cut = '';
  for (const char of text) {
    if (out.length < most) cut = out;
    out += escape(char);
    if (out.length > most) return `${cut}…`;
  }
  return out;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
