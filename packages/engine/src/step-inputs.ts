/** Turns the parts of a step into the inputs of a model's step graph. */

import type { RunRequest } from '@steelyard/graph';
import type { StepPart } from './scheduler.ts';

/** Which rows of the logits belong to a part. */
export interface PartRows {
  readonly part: StepPart;
  readonly firstRow: number;
  readonly rowCount: number;
}

export interface StepInputs {
  readonly request: RunRequest;
  readonly rows: readonly PartRows[];
}

/** @param pages pages in the cache, the symbol N */
export function stepInputs(parts: readonly StepPart[], pages: number): StepInputs {
  const total = parts.reduce((sum, part) => sum + part.count, 0);
  const width = Math.max(...parts.map(({ sequence }) => sequence.pages.length));
  const inputs = {
    tokens: new Int32Array(total),
    positions: new Int32Array(total),
    sequences: new Int32Array(total),
    slots: new Int32Array(total),
    pages: new Int32Array(parts.length * width),
  };
  const wanted: number[] = [];
  const rows: PartRows[] = [];
  let at = 0;
  parts.forEach((part, row) => {
    const { sequence, start, count } = part;
    inputs.pages.set(sequence.pages, row * width);
    for (let i = 0; i < count; i++) {
      inputs.tokens[at + i] = sequence.tokens[start + i] as number;
      inputs.positions[at + i] = start + i;
      inputs.sequences[at + i] = row;
      inputs.slots[at + i] = sequence.slot(start + i);
    }
    const rowCount = part.rows === 'all' ? count : part.rows === 'last' ? 1 : 0;
    rows.push({ part, firstRow: wanted.length, rowCount });
    for (let i = count - rowCount; i < count; i++) wanted.push(at + i);
    at += count;
  });
  // A step of prompt chunks only wants no logits; the graph still computes one row.
  if (wanted.length === 0) wanted.push(total - 1);
  const dims = { T: total, S: parts.length, P: width, V: wanted.length, N: pages };
  return { request: { dims, inputs: { ...inputs, rows: Int32Array.from(wanted) } }, rows };
}
