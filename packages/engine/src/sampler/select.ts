/**
 * Choosing the likeliest of many tokens without sorting all of them. Tokens are ordered by logit, highest first, and
 * among equals by id, lowest first; there are no ties in this order.
 */

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

/** Whether token `a` comes before token `b` in the order. */
export function precedes(logits: Float32Array, a: number, b: number): boolean {
  const [x, y] = [logits[a] as number, logits[b] as number];
  return x > y || (x === y && a < b);
}

/** The first `count` tokens in order. A heap of `count`, so O(V log count). */
export function largest(logits: Float32Array, count: number): number[] {
  const k = Math.min(count, logits.length);
  if (k <= 0) return [];
  // The last in order of those kept is at the root.
  const heap = Array.from({ length: k }, (_, i) => i);
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(heap, i, logits);
  for (let i = k; i < logits.length; i++) {
    if (!precedes(logits, i, heap[0] as number)) continue;
    heap[0] = i;
    sink(heap, 0, logits);
  }
  return heap.sort((a, b) => (precedes(logits, a, b) ? -1 : 1));
}

function sink(heap: number[], from: number, logits: Float32Array): void {
  for (let at = from; ;) {
    let last = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && precedes(logits, heap[last] as number, heap[child] as number)) last = child;
    }
    if (last === at) return;
    [heap[at], heap[last]] = [heap[last] as number, heap[at] as number];
    at = last;
  }
}

/** Below this many tokens sorting is the quickest. */
const SMALL = 32;

/**
 * The last token of the shortest run, in order, of the first `count` of `ids` whose masses reach `target`; the last
 * of all when they do not. Quickselect, so O(count) on average; reorders `ids`.
 * @param masses by token id; absent: 1 each
 */
export function endOfMass(
  ids: Uint32Array,
  count: number,
  logits: Float32Array,
  target: number,
  masses?: Float64Array,
): number {
  let [low, high, before] = [0, count, 0];
  const massOf = (id: number): number => (masses ? (masses[id] as number) : 1);
  while (high - low > SMALL) {
    const { at, mass } = partition(ids, low, high, logits, massOf);
    const pivot = ids[at] as number;
    if (before + mass >= target) high = at;
    else if (before + mass + massOf(pivot) >= target) return pivot;
    else [low, before] = [at + 1, before + mass + massOf(pivot)];
  }
  const rest = ids.subarray(low, high).sort((a, b) => (precedes(logits, a, b) ? -1 : 1));
  for (const id of rest) {
    before += massOf(id);
    if (before >= target) return id;
  }
  return ids[high - 1] as number;
}

/** Moves what precedes a pivot before it; returns the pivot's place and the mass of what precedes it. */
function partition(
  ids: Uint32Array,
  low: number,
  high: number,
  logits: Float32Array,
  massOf: (id: number) => number,
): { at: number; mass: number } {
  const swap = (a: number, b: number): void => {
    const kept = ids[a] as number;
    ids[a] = ids[b] as number;
    ids[b] = kept;
  };
  swap(medianOfThree(ids, low, high, logits), high - 1);
  const pivot = ids[high - 1] as number;
  let at = low;
  let mass = 0;
  for (let i = low; i < high - 1; i++) {
    const id = ids[i] as number;
    if (!precedes(logits, id, pivot)) continue;
    mass += massOf(id);
    swap(i, at++);
  }
  swap(at, high - 1);
  return { at, mass };
}

function medianOfThree(ids: Uint32Array, low: number, high: number, logits: Float32Array): number {
  const before = (a: number, b: number): boolean => precedes(logits, ids[a] as number, ids[b] as number);
  const [a, b, c] = [low, (low + high) >> 1, high - 1];
  if (before(a, b) === before(b, c)) return b;
  return before(a, b) === before(a, c) ? (before(b, c) ? b : c) : a;
}
