/**
 * Choosing the likeliest of many tokens without sorting all of them. Tokens are ordered by logit, highest first, and
 * among equals by id, lowest first; there are no ties in this order. Loops over the vocabulary spell comparisons and
 * swaps out: as functions they cost several times as much.
 */

/** Whether token `a` comes before token `b` in the order. */
export function precedes(logits: Float32Array, a: number, b: number): boolean {
  const x = logits[a] as number;
  const y = logits[b] as number;
  return x > y || (x === y && a < b);
}

/** The first `count` tokens in order. A heap of `count`, so O(V log count), and O(V) for ordinary logits. */
export function largest(logits: Float32Array, count: number): number[] {
  const k = Math.min(count, logits.length);
  if (k <= 0) return [];
  // The last in order of those kept is at the root.
  const heap = Array.from({ length: k }, (_, i) => i);
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(heap, i, logits);
  let least = logits[heap[0] as number] as number;
  for (let i = k; i < logits.length; i++) {
    // Ids rise, so an equal logit comes after all that is kept.
    if (!((logits[i] as number) > least)) continue;
    heap[0] = i;
    sink(heap, 0, logits);
    least = logits[heap[0]] as number;
  }
  return heap.sort((a, b) => (precedes(logits, a, b) ? -1 : 1));
}

function sink(heap: number[], from: number, logits: Float32Array): void {
  const moving = heap[from] as number;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    const right = child + 1;
    if (right < heap.length && precedes(logits, heap[child] as number, heap[right] as number)) child = right;
    if (!precedes(logits, moving, heap[child] as number)) break;
    heap[at] = heap[child] as number;
    at = child;
  }
  heap[at] = moving;
}

/** Below this many tokens sorting is the quickest. */
const SMALL = 32;

/**
 * The last token of the shortest run, in order, of the first `count` of `ids` whose masses reach `target`; the last
 * of all when they do not. Quickselect, so O(count) on average; reorders `ids`.
 * @param target above 0
 * @param masses by token id; absent: 1 each
 */
export function endOfMass(
  ids: Uint32Array,
  count: number,
  logits: Float32Array,
  target: number,
  masses?: Float64Array,
): number {
  let low = 0;
  let high = count;
  let before = 0;
  const massOf = (id: number): number => (masses ? (masses[id] as number) : 1);
  while (high - low > SMALL) {
    swap(ids, medianOfThree(ids, low, high, logits), high - 1);
    const at = partition(ids, low, high, logits);
    let mass = 0;
    if (masses) for (let i = low; i < at; i++) mass += masses[ids[i] as number] as number;
    else mass = at - low;
    const pivot = ids[at] as number;
    if (before + mass >= target) {
      high = at;
      continue;
    }
    before += mass + massOf(pivot);
    if (before >= target) return pivot;
    low = at + 1;
  }
  const rest = ids.subarray(low, high).sort((a, b) => (precedes(logits, a, b) ? -1 : 1));
  for (const id of rest) {
    before += massOf(id);
    if (before >= target) return id;
  }
  return ids[high - 1] as number;
}

/** Moves what precedes the last id of the range before it; returns its new place. */
function partition(ids: Uint32Array, low: number, high: number, logits: Float32Array): number {
  const pivot = ids[high - 1] as number;
  const pivotLogit = logits[pivot] as number;
  let at = low;
  for (let i = low; i < high - 1; i++) {
    const id = ids[i] as number;
    const logit = logits[id] as number;
    if (logit < pivotLogit || (logit === pivotLogit && id > pivot)) continue;
    ids[i] = ids[at] as number;
    ids[at++] = id;
  }
  swap(ids, at, high - 1);
  return at;
}

function swap(ids: Uint32Array, a: number, b: number): void {
  const kept = ids[a] as number;
  ids[a] = ids[b] as number;
  ids[b] = kept;
}

function medianOfThree(ids: Uint32Array, low: number, high: number, logits: Float32Array): number {
  const before = (a: number, b: number): boolean => precedes(logits, ids[a] as number, ids[b] as number);
  const [a, b, c] = [low, (low + high) >> 1, high - 1];
  if (before(a, b) === before(b, c)) return b;
  return before(a, b) === before(a, c) ? (before(b, c) ? b : c) : a;
}
