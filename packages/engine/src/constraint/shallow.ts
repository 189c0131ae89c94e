/**
 * Grammars of little depth: what nests deeper becomes a rule of its own. xgrammar follows nested groups by recursion, and
 * where its stack ends it is broken for good, for all later grammars too.
 */

import type { Expr } from './grammar.ts';

/** It has broken at 200 and held at 100. */
const MAX_HEIGHT = 32;

/** The bodies with none higher than that, and those of the rules made for it. */
export function shallow(bodies: ReadonlyMap<string, Expr>): ReadonlyMap<string, Expr> {
  const result = new Map<string, Expr>();
  const made = new Map<string, Expr>();
  const lower = (expr: Expr): { readonly expr: Expr; readonly height: number } => {
    if (expr.kind !== 'seq' && expr.kind !== 'alt' && expr.kind !== 'repeat') return { expr, height: 0 };
    const inner = (expr.kind === 'repeat' ? [expr.item] : expr.items).map(lower);
    const items = inner.map((one) => one.expr);
    const whole = expr.kind === 'repeat' ? { ...expr, item: items[0]! } : { ...expr, items };
    const height = inner.reduce((most, one) => Math.max(most, one.height), 0) + 1;
    if (height < MAX_HEIGHT) return { expr: whole, height };
    const name = `deep${made.size}`;
    made.set(name, whole);
    return { expr: { kind: 'rule', name }, height: 0 };
  };
  for (const [name, body] of bodies) result.set(name, lower(body).expr);
  return new Map([...result, ...made]);
}
