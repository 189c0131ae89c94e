import { expect, it } from 'vitest';
import { findNamed } from './model-provider.ts';

const find = (all: readonly string[], name: string) => findNamed(all, name, (one) => one);

it.each([
  ['exactly, among others', ['a', 'A', 'a.Q4_1'], 'A', 'A'],
  ['in other capitals', ['Smol.Q4_1', 'other'], 'smol.q4_1', 'Smol.Q4_1'],
  ['without what tells its files apart', ['Smol.Q4_1', 'Smol-2.Q4_1'], 'smol', 'Smol.Q4_1'],
  ['without its tag', ['llama3:latest'], 'llama3', 'llama3:latest'],
  ['not where two go on from the name', ['Smol.Q4_1', 'Smol.Q8_0'], 'Smol', undefined],
  ['not where two differ in capitals', ['a', 'A'], 'á', undefined],
  ['not by any beginning', ['Smol.Q4_1', 'gpt-oss'], 'gpt', undefined],
  ['not by nothing', ['.hidden'], 'x', undefined],
])('finds a model %s', (_, all, name, found) => {
  expect(find(all, name)).toBe(found);
});
