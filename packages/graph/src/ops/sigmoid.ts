import { unary } from './elementwise.ts';

export const sigmoid = unary({
  name: 'sigmoid',
  doc: '1 / (1 + exp(-x)).',
  f: (x) => 1 / (1 + Math.exp(-x)),
  gradient(g, _x, y, dy) {
    const dyy = g.apply('mul', [dy, y]);
    return g.apply('sub', [dyy, g.apply('mul', [dyy, y])]);
  },
});
