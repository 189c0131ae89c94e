/** Values from strangers' files as errors show them: short, and without what a terminal would obey. */

const MAX_SHOWN = 100;

export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : describe(value);
  const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  return short.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (char) => {
    const code = char.codePointAt(0) as number;
    return `\\u{${code.toString(16)}}`;
  });
}

/** JSON, but one level of a list only: a hostile value may nest deep or be huge. */
function describe(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.slice(0, 9).map((item) => (typeof item === 'object' ? typeof item : shown(item)));
    return `[${items.join(', ')}${value.length > 9 ? ', ...' : ''}]`;
  }
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
