import { unary } from './elementwise.ts';

export const silu = unary({
  name: 'silu',
  doc: 'x * sigmoid(x), also called swish.',
  f: (x) => x / (1 + Math.exp(-x)),
  // d/dx x s = s + x s (1 - s) = s + y - y s
  gradient(g, x, y, dy) {
    const s = g.apply('sigmoid', [x]);
    const slope = g.apply('sub', [g.apply('add', [s, y]), g.apply('mul', [y, s])]);
    return g.apply('mul', [dy, slope]);
  },
});
