/** Sets of token ids as masks: a bit per token. */

/** @param count of all tokens */
export function bits(ids: readonly number[], count: number): Int32Array {
  const words = new Int32Array(Math.ceil(count / 32));
  for (const id of ids) words[id >>> 5] = (words[id >>> 5] as number) | (1 << (id & 31));
  return words;
}
