import { binary } from './elementwise.ts';

export const sub = binary({
  name: 'sub',
  doc: 'a - b, broadcasting.',
  f: (a, b) => a - b,
  gradient: (g, _a, _b, dy) => [dy, g.apply('scale', [dy], { by: -1 })],
});
