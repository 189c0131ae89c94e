/**
 * e^x for weights of tokens: of double precision but for the last bits, several times as fast as Math.exp, and the same
 * in every JavaScript engine, so that a seed draws the same tokens everywhere.
 */

/** x = (32 k + j) ln 2 / 32 + r: the power is 2^k times 2^(j/32) times a short series in r. */
const STEPS = 32;
const STEP = Math.LN2 / STEPS;
const STEPS_PER_UNIT = 1 / STEP;
/** 2^(j / 32), spelled out: engines need not agree on their last bits. */
const FRACTIONS = Float64Array.of(
  1.0,
  1.0218971486541166,
  1.0442737824274138,
  1.0671404006768237,
  1.0905077326652577,
  1.1143867425958924,
  1.1387886347566916,
  1.1637248587775775,
  1.189207115002721,
  1.215247359980469,
  1.241857812073484,
  1.2690509571917332,
  1.2968395546510096,
  1.3252366431597413,
  1.3542555469368927,
  1.383909881963832,
  1.4142135623730951,
  1.4451808069770467,
  1.4768261459394993,
  1.5091644275934228,
  1.5422108254079407,
  1.5759808451078865,
  1.6104903319492543,
  1.645755478153965,
  1.681792830507429,
  1.718619298122478,
  1.7562521603732995,
  1.7947090750031072,
  1.8340080864093424,
  1.8741676341103,
  1.9152065613971474,
  1.9571441241754002,
);
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
