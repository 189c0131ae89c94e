/** What tokens cost, for budgets and reports; nothing where no price is set. */

/** Dollars for a million tokens. */
export interface Price {
  readonly input: number;
  readonly output: number;
}

/** By name of the model; `*` for all others. */
export type Prices = Readonly<Record<string, Price>>;

const MILLION = 1_000_000;

export function costOf(
  prices: Prices,
  { model, inputTokens, outputTokens }: { model: string; inputTokens: number; outputTokens: number },
): number {
  const price = prices[model] ?? prices['*'];
  return price ? (inputTokens * price.input + outputTokens * price.output) / MILLION : 0;
}
