/** A checked request to the endpoint that answers it, or to where else it may be computed. */

import { checkModel } from '../access/scopes.ts';
import type { Call, Endpoint, RawQuery } from '../endpoint.ts';
import { local } from './router.ts';

/**
 * Where the answer is computed is decided here, and said by it.
 * @throws ApiError 403 for a model that the caller may not use; as the endpoint or the router does
 */
export function routeCall(endpoint: Endpoint, call: Call<unknown, RawQuery>): Response | Promise<Response> {
  const { router } = call.services;
  const here = async () => endpoint.handle(call);
  const asked = (call.body as { model?: unknown } | undefined)?.model;
  // Before any routing: other providers' models are held to the key's scopes too.
  if (typeof asked === 'string') checkModel(call.caller, asked);
  if (endpoint.routable && router) return router.answer(call, endpoint, here);
  return typeof asked === 'string' ? local(here) : here();
}
