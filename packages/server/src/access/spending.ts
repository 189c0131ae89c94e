/**
 * What keys and projects with a budget have used of it this month. What this process counts is in it at once; what other
 * servers count, when it is asked for anew.
 */

import type { Limits, UsageQuery } from '@steelyard/storage';
import type { Caller } from './caller.ts';
import { costOf, type Prices } from './prices.ts';
import { dayOf, type ModelTotal, type UsageMeter, type Used } from './usage-meter.ts';

/** A key or a project. */
export interface Spender {
  readonly kind: 'key' | 'project';
  readonly id: string;
  readonly name: string;
  readonly limits: Limits;
}

interface Sum {
  tokens: number;
  dollars: number;
}

export class Spending {
  readonly #meter: Pick<UsageMeter, 'totals'>;
  readonly #prices: Prices;
  readonly #now: () => number;
  /** By id of key or project. */
  readonly #sums = new Map<string, Sum>();

  /** @param now milliseconds */
  constructor(meter: Pick<UsageMeter, 'totals'>, prices: Prices, now: () => number) {
    this.#meter = meter;
    this.#prices = prices;
    this.#now = now;
  }

  /** Asks what all servers have counted of it; nothing where it has no budget. */
  async learn({ kind, id, limits }: Spender): Promise<void> {
    const { tokensPerMonth, dollarsPerMonth } = limits;
    if (tokensPerMonth === undefined && dollarsPerMonth === undefined) {
      this.#sums.delete(id);
      return;
    }
    const from = `${dayOf(new Date(this.#now())).slice(0, 8)}01`;
    const query: UsageQuery = kind === 'key' ? { key: id, from } : { project: id, from };
    await this.#meter.totals(query, (rows) => {
      const sum = { tokens: 0, dollars: 0 };
      for (const row of rows) this.#add(sum, row);
      this.#sums.set(id, sum);
    });
  }

  charge({ keyId, project }: Caller, used: Used): void {
    for (const id of [keyId ?? '', project]) {
      const sum = this.#sums.get(id);
      if (sum) this.#add(sum, used);
    }
  }

  /** What budget is used up, if one is. */
  overspent({ kind, id, name, limits: { tokensPerMonth, dollarsPerMonth } }: Spender): string | undefined {
    const { tokens, dollars } = this.#sums.get(id) ?? { tokens: 0, dollars: 0 };
    const who = `${kind} '${name}'`;
    const until = 'It starts anew with the next month; an admin can raise it.';
    if (tokensPerMonth !== undefined && tokens >= tokensPerMonth)
      return `The ${who} has used ${tokens} of its ${tokensPerMonth} tokens of this month. ${until}`;
    if (dollarsPerMonth !== undefined && dollars >= dollarsPerMonth)
      return `The ${who} has spent $${dollars.toFixed(2)} of its $${dollarsPerMonth.toFixed(2)} of this month. ${until}`;
    return undefined;
  }

  #add(sum: Sum, row: ModelTotal): void {
    sum.tokens += row.inputTokens + row.outputTokens;
    sum.dollars += costOf(this.#prices, row);
  }
}
