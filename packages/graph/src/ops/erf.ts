/** The error function to float64 accuracy: Taylor series near 0, continued fraction in the tails. */

export function erf(x: number): number {
  const a = Math.abs(x);
  const value = a < 2.5 ? series(a) : 1 - tail(a);
  return x < 0 ? -value : value;
}

/** 2/sqrt(pi) * sum of (-1)^n x^(2n+1) / (n! (2n+1)); DLMF 7.6.1. */
function series(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 80 && Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** erfc by its continued fraction, evaluated backwards; DLMF 7.9.1. */
function tail(x: number): number {
  if (x > 27) return 0;
  let fraction = x;
  for (let n = 60; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (fraction * Math.sqrt(Math.PI));
}
