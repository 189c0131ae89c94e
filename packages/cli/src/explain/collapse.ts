/**
 * Folds repeated stretches of a listing: a model's layers differ only in their numbers, so one is shown and the rest
 * counted. Works on text, so it needs no idea of what a layer is.
 */

/** Folding fewer lines than this is not worth a reader's attention. */
const MIN_SAVED = 6;
const MAX_PERIOD = 400;

export interface Fold {
  /** The lines shown. */
  readonly lines: readonly string[];
  /** How often they stand in the listing; 1 is an ordinary stretch. */
  readonly times: number;
}

/**
 * What makes lines alike: layer numbers in names are dropped, and a temporary counts by how many lines above it was
 * made. Thus a stretch that reads other places than its neighbour does is never folded into it.
 */
export function signatures(lines: readonly string[]): string[] {
  const madeAt = new Map<string, number>();
  return lines.map((line, at) => {
    const [results = '', body = ''] = splitOnce(line, ' = ');
    const shape = (text: string): string =>
      text.replace(/%\d+/g, (id) => `%${at - (madeAt.get(id) ?? at)}`).replace(/(^|[.\s(])\d+(?=\.)/g, '$1#');
    const signature = body ? `${results.replace(/%\d+/g, '%')} = ${shape(body)}` : shape(line);
    if (body) for (const [id] of results.matchAll(/%\d+/g)) madeAt.set(id, at);
    return signature;
  });
}

/** The listing with repeats folded, in order. */
export function collapseRepeats(lines: readonly string[]): Fold[] {
  const numbered = new Map<string, number>();
  const codes = signatures(lines).map((signature) => {
    const known = numbered.get(signature) ?? numbered.size;
    numbered.set(signature, known);
    return known;
  });
  return foldRange(lines, codes, 0, lines.length);
}

function foldRange(lines: readonly string[], codes: readonly number[], from: number, to: number): Fold[] {
  if (from === to) return [];
  const best = longestRepeat(codes, from, to);
  if (!best) return [{ lines: lines.slice(from, to), times: 1 }];
  const end = best.start + best.period * best.times;
  return [
    ...foldRange(lines, codes, from, best.start),
    { lines: lines.slice(best.start, best.start + best.period), times: best.times },
    ...foldRange(lines, codes, end, to),
  ];
}

interface Repeat {
  readonly start: number;
  readonly period: number;
  readonly times: number;
}

/** The repeat that saves most lines; the earliest among equals. */
function longestRepeat(codes: readonly number[], from: number, to: number): Repeat | undefined {
  let best: Repeat | undefined;
  let saved = MIN_SAVED - 1;
  for (let period = 1; period <= Math.min(MAX_PERIOD, Math.floor((to - from) / 2)); period++) {
    let run = 0;
    for (let at = to - period - 1; at >= from; at--) {
      run = codes[at] === codes[at + period] ? run + 1 : 0;
      const times = Math.floor(run / period) + 1;
      const saves = (times - 1) * period;
      const earlier = best !== undefined && saves === saved && period === best.period;
      if (saves > saved || earlier) {
        saved = saves;
        best = { start: at, period, times };
      }
    }
  }
  return best;
}

function splitOnce(text: string, separator: string): [string, string] | [string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
