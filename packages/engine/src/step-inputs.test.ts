import { describe, expect, it } from 'vitest';
import { StepInputs, type InputPart } from './step-inputs.ts';

/** A sequence of 4-token pages at the given pages. */
function part(tokens: readonly number[], pages: readonly number[], start: number, rows: number): InputPart {
  const slot = (position: number): number => (pages[position >> 2] as number) * 4 + (position & 3);
  return {
    sequence: { tokens, pages, stateSlot: pages[0] as number, slot },
    start,
    count: tokens.length - start,
    rows,
  };
}

/** What a step of fresh inputs has, as plain lists. */
function plain(inputs: StepInputs, parts: readonly InputPart[]): unknown {
  const { dims, inputs: arrays } = inputs.of(parts);
  return {
    dims,
    arrays: Object.fromEntries(Object.entries(arrays).map(([name, data]) => [name, [...data]])),
  };
}

describe('step inputs', () => {
  const limits = { N: 9, R: 3 };
  const long = part([1, 2, 3, 4, 5], [2, 7], 4, 1);
  const short = part([6, 7], [5], 1, 1);

  it('say where each token lies', () => {
    expect(plain(new StepInputs(limits), [long, short])).toEqual({
      dims: { T: 2, S: 2, P: 2, V: 2, N: 9, R: 3 },
      arrays: {
        tokens: [5, 7],
        positions: [4, 1],
        sequences: [0, 1],
        slots: [28, 21],
        pages: [2, 7, 5, 0],
        stateSlots: [2, 5],
        rows: [0, 1],
      },
    });
  });

  it('are those of the step alone, whatever came before', () => {
    const used = new StepInputs(limits);
    const chunk = part([1, 2, 3], [4], 0, 0);
    const pair = { ...chunk, rows: 1, sequence: { ...chunk.sequence, second: 2 } };
    for (const parts of [[long, short], [short, long], [chunk], [pair], [chunk], [long], [long, short]]) {
      expect(plain(used, parts)).toEqual(plain(new StepInputs(limits), parts));
    }
  });

  it('keep their arrays while sizes stay', () => {
    const used = new StepInputs(limits);
    expect(used.of([long, short])).toBe(used.of([short, long]));
  });
});
