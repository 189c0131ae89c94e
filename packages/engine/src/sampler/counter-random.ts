/** Random numbers of a request: a function of its seed and the token's place, whatever else runs. */

/** Uniform in [0, 1) with 32 bits. The mixing is murmur3's finaliser over both halves of the seed and the counter. */
export function uniformAt(seed: number, counter: number): number {
  let h = mix((seed >>> 0) ^ 0x9e3779b9);
  h = mix(h ^ Math.floor(seed / 4294967296));
  h = mix(h ^ (counter >>> 0));
  return mix(h + 0x85ebca6b) / 4294967296;
}

function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
