/** Where a request is computed: here, elsewhere, or one when the other cannot. Data that must stay decides first. */

import type { Route, Routing } from './config.ts';
import { holdingLabel } from './data-labels.ts';

export type Where = 'local' | 'upstream';

export interface Question {
  /** As the request names it. */
  readonly model: string;
  /** Of the request, its header and its project: each must allow that it leaves. */
  readonly labels: readonly string[];
  /** Why what it refers to must not leave; absent where it may. */
  readonly holds: string | undefined;
  /** Whether the model is served here. */
  readonly servedHere: boolean;
  readonly waiting: number;
  readonly promptTokens: number;
}

export interface Decision {
  /** In this order; where the first cannot, the next is tried. */
  readonly order: readonly Where[];
  readonly route?: Route;
  /** Why it may not leave, where a route would have let it. */
  readonly staysBecause?: string;
}

export function decide(routing: Routing, question: Question): Decision {
  const route = routeOf(routing, question.model);
  if (!route) return { order: ['local'] };
  const staysBecause = mustStay(routing, question);
  if (staysBecause !== undefined) return { order: ['local'], route, staysBecause };
  return { order: orderOf(route, question), route };
}

function orderOf(
  { policy, spill }: Route,
  { servedHere, waiting, promptTokens }: Question,
): readonly Where[] {
  switch (policy) {
    case 'local-only':
      return ['local'];
    case 'cloud-only':
      return ['upstream'];
    case 'prefer-cloud':
      return servedHere ? ['upstream', 'local'] : ['upstream'];
    case 'prefer-local': {
      if (!servedHere) return ['upstream'];
      const busy = spill?.waiting !== undefined && waiting >= spill.waiting;
      const large = spill?.prompt_tokens !== undefined && promptTokens > spill.prompt_tokens;
      return busy || large ? ['upstream', 'local'] : ['local', 'upstream'];
    }
  }
}

/** The route of that name, else the one whose beginning is the longest. */
export function routeOf({ routes }: Routing, model: string): Route | undefined {
  const fits = ({ model: name }: Route) =>
    name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : name === model;
  return routes.filter(fits).sort((a, b) => rank(b) - rank(a))[0];
}

function rank({ model }: Route): number {
  return model.endsWith('*') ? model.length - 1 : Infinity;
}

function mustStay({ labels: known }: Routing, { labels, holds }: Question): string | undefined {
  const held = holdingLabel(labels, known);
  if (held !== undefined) return `its data is labelled '${held}'`;
  return holds;
}
