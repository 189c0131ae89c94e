/** Random numbers of a request: a function of its seed and the token's place, whatever else runs. */

/**
 * Uniform in [0, 1) with 53 bits.
 * @see the 32-bit finaliser of MurmurHash3 (Appleby 2011), here over seed and counter, twice
 */
export function uniformAt(seed: number, counter: number): number {
  const low = seed >>> 0;
  const high = Math.floor(seed / 4294967296) >>> 0;
  const keyed = mix(mix(mix(low ^ 0x9e3779b9) ^ high) ^ mix(counter ^ 0x7f4a7c15));
  const first = mix(keyed + 0x85ebca6b);
  const second = mix(first ^ keyed ^ 0x165667b1);
  return ((first >>> 5) * 67108864 + (second >>> 6)) / 9007199254740992;
}

function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
