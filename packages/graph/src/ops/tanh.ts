import { unary } from './elementwise.ts';

export const tanh = unary({
  name: 'tanh',
  doc: 'Hyperbolic tangent.',
  f: Math.tanh,
  gradient: (g, _x, y, dy) => g.apply('sub', [dy, g.apply('mul', [dy, g.apply('mul', [y, y])])]),
});
