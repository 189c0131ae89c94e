import { binary } from './elementwise.ts';

export const add = binary({
  name: 'add',
  doc: 'a + b, broadcasting.',
  f: (a, b) => a + b,
  gradient: (_g, _a, _b, dy) => [dy, dy],
});
