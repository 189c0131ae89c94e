/**
 * e^x for weights of tokens: of double precision but for the last bits, several times as fast as Math.exp, and the same
 * in every JavaScript engine, so that a seed draws the same tokens everywhere.
 */

/** x = (32 k + j) ln 2 / 32 + r: the power is 2^k times 2^(j/32) times a short series in r. */
const STEPS = 32;
const STEP = Math.LN2 / STEPS;
const STEPS_PER_UNIT = 1 / STEP;
const FRACTIONS = Float64Array.from({ length: STEPS }, (_, j) => 2 ** (j / STEPS));
/** 2^(i - LOWEST) for i up to LOWEST. */
const LOWEST = 1022;
const POWERS = Float64Array.from({ length: LOWEST + 1 }, (_, i) => 2 ** (i - LOWEST));
/** Below this a weight counts nothing beside the likeliest token's 1. */
const LEAST = -700;

/** @param x at most 0; NaN gives NaN */
export function exponential(x: number): number {
  if (x < LEAST) return 0;
  // To the nearest, of what is not positive.
  const steps = (x * STEPS_PER_UNIT - 0.5) | 0;
  const r = x - steps * STEP;
  const series = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120)))));
  return (POWERS[LOWEST + (steps >> 5)] as number) * (FRACTIONS[steps & 31] as number) * series;
}
