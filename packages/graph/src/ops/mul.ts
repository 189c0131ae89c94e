import { binary } from './elementwise.ts';

export const mul = binary({
  name: 'mul',
  doc: 'a * b, broadcasting.',
  f: (a, b) => a * b,
  gradient: (g, a, b, dy) => [g.apply('mul', [dy, b]), g.apply('mul', [dy, a])],
});
