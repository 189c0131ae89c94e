/** How a benchmark's times become one figure. */

/** No ratio is quoted above this spread. */
export const NOISY = 0.15;

export function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/** The middle half's width over the median: one interrupted run of five does not count. */
export function spreadOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  return (sorted[sorted.length - 1 - cut] - sorted[cut]) / median(values);
}

/** A row of results. `times`: milliseconds of each run, by who ran; `tokens` is what each run computed. */
export function rowOf({ name, metric, tokens, times, limit }) {
  const rate = (ms) => (tokens * 1000) / ms;
  const { ours, ...peers } = Object.fromEntries(
    Object.entries(times).map(([who, ms]) => [who, rate(median(ms))]),
  );
  const spread = Math.max(...Object.values(times).map(spreadOf));
  const best = Math.max(...Object.values(peers));
  const ratio = spread > NOISY || best === -Infinity ? null : ours / best;
  return { case: name, metric, unit: 'tok/s', ours, limit, peers, ratio, spread, noisy: spread > NOISY };
}
