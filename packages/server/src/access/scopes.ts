/** What a key may do: groups of endpoints, to read or to write, and models by name. */

import type { EmbeddingInfo, ModelInfo } from '@steelyard/engine';
import type { Endpoint } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { acquireModel, type Provider } from '../model-provider.ts';
import type { Caller, Scopes } from './caller.ts';

/** Paths of administration; only an admin's key opens them. */
export const ADMINISTRATION = 'organization';

/** What stands behind the first part of its path: `chat` of `/v1/chat/completions`. */
export function groupOf({ path }: Pick<Endpoint, 'path'>): string {
  return path.split('/')[2] ?? '';
}

/** @throws ApiError 403 naming the scope that the key lacks */
export function checkScope({ scopes, label }: Caller, endpoint: Endpoint): void {
  const group = groupOf(endpoint);
  const wanted = endpoint.access ?? (endpoint.method === 'GET' ? 'read' : 'write');
  if (group === ADMINISTRATION || wanted === 'admin') {
    if (scopes.admin) return;
    throw forbidden(`The key '${label}' is not an admin key, which '${endpoint.path}' needs.`);
  }
  if (wanted === 'any') return;
  const reads = wanted === 'read';
  if (reads) return checkReads({ scopes, label }, group);
  if (['all', group].some((scope) => scopes.endpoints.includes(scope))) return;
  throw lacking(label, scopes, group);
}

/**
 * For what is read on behalf of a request to something else.
 * @param group of endpoints: `vector_stores`
 * @throws ApiError 403 naming the scope that the key lacks
 */
export function checkReads({ scopes, label }: Pick<Caller, 'scopes' | 'label'>, group: string): void {
  const enough = ['all', 'read', group, `${group}:read`];
  if (enough.some((scope) => scopes.endpoints.includes(scope))) return;
  throw lacking(label, scopes, `${group}:read`);
}

/** Whether the caller may use the model of that name. */
export function mayUse({ scopes: { models } }: Pick<Caller, 'scopes'>, name: string): boolean {
  return !models || includes(models, name);
}

/** @throws ApiError 403 for a model that the key may not use */
export function checkModel(caller: Caller, name: string): void {
  if (mayUse(caller, name)) return;
  const { label, scopes } = caller;
  throw new ApiError(
    403,
    `The key '${label}' does not have access to model '${name}'. It may use: ${scopes.models?.join(', ')}.`,
    { param: 'model', code: 'model_not_found', type: 'invalid_request_error' },
  );
}

/** As requests name models: capitals do not matter. */
function includes(models: readonly string[], name: string): boolean {
  return models.some((one) => one.toLowerCase() === name.toLowerCase());
}

/** The models that a caller may use: others are not listed, and refused by name. */
export function restricted<Model extends { readonly info: ModelInfo | EmbeddingInfo }>(
  provider: Provider<Model>,
  caller: Caller,
): Provider<Model> {
  if (!caller.scopes.models) return provider;
  const may = (name: string): boolean => mayUse(caller, name);
  return {
    list: async () => (await provider.list()).filter(({ name }) => may(name)),
    get(name) {
      checkModel(caller, name);
      return provider.get(name);
    },
    acquire(name, options) {
      checkModel(caller, name);
      return acquireModel(provider, name, options);
    },
    loaded: () => provider.loaded().filter(({ model }) => may(model.info.name)),
    ...(provider.status ? { status: (name: string) => provider.status!(name) } : {}),
  };
}

function lacking(label: string, { endpoints }: Scopes, needed: string): ApiError {
  return forbidden(
    `The key '${label}' has the scopes ${endpoints.join(', ') || 'none'}, expected '${needed}'. Ask an admin for a key with it.`,
  );
}

function forbidden(message: string): ApiError {
  return new ApiError(403, message, { code: 'insufficient_permissions' });
}
