/** Requests that are about what this server keeps or does itself: how they may be computed elsewhere, and what stays. */

import type { Call } from '../endpoint.ts';
import { computedBy } from '../responses/stored-responses.ts';
import type { Route, Routing } from './config.ts';

export type Body = Readonly<Record<string, unknown>>;

const HINT = '; "kept": "any" in the routes lets such data leave';

/** Whether the answer is put together here, from what the model elsewhere says. */
export function isPutTogetherHere(body: Body): boolean {
  return body['background'] === true || isAboutKept(body) || toolTypes(body).some(runsHere);
}

/**
 * Why what a request refers to must not leave. It may have come with a label that nobody has said again; what the same
 * upstream computed has been there already, with all that went before.
 */
export async function holdsBack(
  call: Call<unknown>,
  body: Body,
  route: Route,
  { kept }: Routing,
): Promise<string | undefined> {
  if (kept === 'any') return undefined;
  if (body['conversation']) return `it goes on from a conversation that is kept here${HINT}`;
  if (hasReferences(body)) return `its input refers to items that are kept here${HINT}`;
  if (toolTypes(body).includes('file_search')) return `it searches files that are kept here${HINT}`;
  const { previous_response_id: previous } = body;
  if (typeof previous !== 'string' || previous === '') return undefined;
  if ((await computedBy(call, previous)) === route.upstream) return undefined;
  return `it goes on from a response that the upstream '${route.upstream}' did not compute${HINT}`;
}

function isAboutKept(body: Body): boolean {
  return Boolean(body['previous_response_id'] ?? body['conversation']) || hasReferences(body);
}

function hasReferences({ input }: Body): boolean {
  return Array.isArray(input) && input.some((item) => typeOf(item) === 'item_reference');
}

function toolTypes({ tools }: Body): unknown[] {
  return Array.isArray(tools) ? tools.map(typeOf) : [];
}

/** Of all others, an upstream knows as much as this server. */
function runsHere(type: unknown): boolean {
  return type === 'mcp' || type === 'file_search';
}

function typeOf(value: unknown): unknown {
  return (value as { type?: unknown } | null)?.type;
}
