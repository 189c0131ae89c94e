/** Choosing among many numbers without sorting all of them. */

/** Index of the largest value; the lowest of equals. NaN is never largest. */
export function argmax(values: Float32Array): number {
  let best = 0;
  let top = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value > top) {
      top = value;
      best = i;
    }
  }
  return best;
}

/** Indices of the `count` largest values, largest first, lower index first among equals. A heap of `count`. */
export function largest(values: Float32Array, count: number): number[] {
  const k = Math.min(count, values.length);
  if (k <= 0) return [];
  const heap = Array.from({ length: k }, (_, i) => i);
  const after = (a: number, b: number): boolean => {
    const [x, y] = [values[a] as number, values[b] as number];
    return x === y ? a > b : x < y;
  };
  const sink = (from: number): void => {
    for (let at = from; ;) {
      let worst = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < k && after(heap[child] as number, heap[worst] as number)) worst = child;
      }
      if (worst === at) return;
      [heap[at], heap[worst]] = [heap[worst] as number, heap[at] as number];
      at = worst;
    }
  };
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(i);
  for (let i = k; i < values.length; i++) {
    if (!after(heap[0] as number, i)) continue;
    heap[0] = i;
    sink(0);
  }
  return heap.sort((a, b) => (after(a, b) ? 1 : -1));
}
