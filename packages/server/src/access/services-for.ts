/** What a call of a caller may touch of what handlers share. */

import type { Services } from '../endpoint.ts';
import type { Caller } from './caller.ts';
import { restricted } from './scopes.ts';

/** Models that the caller may not use are not there for it. */
export function servicesFor(caller: Caller, services: Services): Services {
  if (!caller.scopes.models) return services;
  return {
    ...services,
    models: restricted(services.models, caller),
    embeddingModels: restricted(services.embeddingModels, caller),
  };
}
