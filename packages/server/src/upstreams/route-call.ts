/**
 * A checked request to the endpoint that answers it, or to where else it may be computed: the one way for what comes over
 * HTTP, over MCP and in batches, so that a key's models hold everywhere.
 */

import { checkModel } from '../access/scopes.ts';
import { servicesFor } from '../access/services-for.ts';
import type { Call, Endpoint, RawQuery } from '../endpoint.ts';
import { local } from './router.ts';

/**
 * Where the answer is computed is decided here, and said by it.
 * @throws ApiError 403 for a model that the caller may not use; as the endpoint or the router does
 */
export function routeCall(endpoint: Endpoint, asked: Call<unknown, RawQuery>): Response | Promise<Response> {
  const call = { ...asked, services: servicesFor(asked.caller, asked.services) };
  const { router } = call.services;
  const { model: named } = (call.body ?? {}) as { model?: unknown };
  const model = call.body === undefined ? undefined : (endpoint.modelOf?.(call.body) ?? named);
  // Before any routing: other providers' models are held to the key's scopes too.
  if (typeof model === 'string') checkModel(call.caller, model);
  if (endpoint.routable && router) return router.answer(call, endpoint);
  const here = async () => endpoint.handle(call);
  return typeof model === 'string' ? local(here) : here();
}
