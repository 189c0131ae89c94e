/** Keys of projects and of admins. A key is shown in the answer that makes it, and never again. */

import { NotFoundError } from '@steelyard/core';
import { ADMIN, type AccessStore, type StoredKey } from '@steelyard/storage';
import { administer, listOf } from '../access/administer.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { found } from '../responses/stored-responses.ts';
import {
  adminKeyRequestSchema,
  adminKeySchema,
  apiKeySchema,
  fromWireLimits,
  keyDeletedSchema,
  keyRequestSchema,
  listQuerySchema,
  listSchemaOf,
  toKey,
  type AdminKeyRequest,
  type KeyRequest,
  type ListQuery,
} from '../schemas/organization.ts';
import { MISSING_PROJECT } from './organization-projects.ts';

const PROJECT_KEYS = '/v1/organization/projects/{project_id}/api_keys';
const ADMIN_KEYS = '/v1/organization/admin_api_keys';
const MISSING_KEY = { status: 404, param: 'key_id', code: 'key_not_found' };

export const listProjectKeys = defineEndpoint({
  method: 'GET',
  path: PROJECT_KEYS,
  summary: "A project's keys, oldest first, in pages; revoked ones too.",
  query: listQuerySchema,
  response: listSchemaOf(apiKeySchema),
  async handle({ services, params, query }: Call<unknown, ListQuery>) {
    const { access } = await services.records();
    const { id } = await found(access.project(params['project_id'] ?? ''), MISSING_PROJECT);
    const keys = await access.keys({ project: id });
    return Response.json(
      listOf(
        keys.map((key) => toKey(key)),
        query,
      ),
    );
  },
});

export const createProjectKey = defineEndpoint({
  method: 'POST',
  path: PROJECT_KEYS,
  summary: 'Makes a key for a project, with scopes, models, limits and an end where that is wished.',
  request: keyRequestSchema,
  response: apiKeySchema,
  async handle(call: Call<KeyRequest>) {
    const project = call.params['project_id'] ?? '';
    const { name, scopes = ['all'], models, limits = {}, expires_at: expiresAt } = call.body;
    refusePast(expiresAt);
    refuseUnknownScopes(scopes, call.services.scopeGroups);
    const { key, secret } = await administer(call, 'key.created', async ({ access }) => {
      const wanted = {
        ...{ project, name, limits: fromWireLimits(limits) },
        scopes: { admin: false, endpoints: scopes, ...(models ? { models } : {}) },
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
      const result = await found(access.createKey(wanted), MISSING_PROJECT);
      return { result, project, subject: result.key.id, details: { ...wanted, admin: false } };
    });
    return Response.json(toKey(key, secret));
  },
});

export const retrieveProjectKey = defineEndpoint({
  method: 'GET',
  path: `${PROJECT_KEYS}/{key_id}`,
  summary: 'What is known of a key; not the key itself.',
  response: apiKeySchema,
  async handle({ services, params }) {
    const { access } = await services.records();
    return Response.json(toKey(await found(keyIn(access, params), MISSING_KEY)));
  },
});

export const revokeProjectKey = defineEndpoint({
  method: 'DELETE',
  path: `${PROJECT_KEYS}/{key_id}`,
  summary: 'Revokes a key: it is refused from now on, and stays in the list.',
  response: keyDeletedSchema,
  handle: (call) => revoke(call, (access) => keyIn(access, call.params)),
});

export const listAdminKeys = defineEndpoint({
  method: 'GET',
  path: ADMIN_KEYS,
  summary: 'Keys of admins, oldest first, in pages; revoked ones too.',
  query: listQuerySchema,
  response: listSchemaOf(adminKeySchema),
  async handle({ services, query }: Call<unknown, ListQuery>) {
    const { access } = await services.records();
    const keys = await access.keys({ admin: true });
    return Response.json(
      listOf(
        keys.map((key) => toKey(key)),
        query,
      ),
    );
  },
});

export const createAdminKey = defineEndpoint({
  method: 'POST',
  path: ADMIN_KEYS,
  summary: 'Makes a key that may do everything: administer too.',
  request: adminKeyRequestSchema,
  response: adminKeySchema,
  async handle(call: Call<AdminKeyRequest>) {
    const { name, expires_at: expiresAt } = call.body;
    refusePast(expiresAt);
    const { key, secret } = await administer(call, 'key.created', async ({ access }) => {
      const project = call.caller.project;
      const end = expiresAt === undefined ? {} : { expiresAt };
      const result = await access.createKey({ project, name, scopes: ADMIN, ...end });
      return { result, project, subject: result.key.id, details: { name, admin: true, ...end } };
    });
    return Response.json(toKey(key, secret));
  },
});

export const retrieveAdminKey = defineEndpoint({
  method: 'GET',
  path: `${ADMIN_KEYS}/{key_id}`,
  summary: "What is known of an admin's key; not the key itself.",
  response: adminKeySchema,
  async handle({ services, params }) {
    const { access } = await services.records();
    return Response.json(toKey(await found(adminKey(access, params), MISSING_KEY)));
  },
});

export const revokeAdminKey = defineEndpoint({
  method: 'DELETE',
  path: `${ADMIN_KEYS}/{key_id}`,
  summary: "Revokes an admin's key.",
  response: keyDeletedSchema,
  handle: (call) => revoke(call, (access) => adminKey(access, call.params)),
});

type Params = Call<unknown>['params'];

async function keyIn(access: AccessStore, params: Params): Promise<StoredKey> {
  const { project_id: project, key_id: id = '' } = params;
  const key = await access.key(id);
  if (key.scopes.admin || key.project !== project)
    throw new NotFoundError(`No key '${id}' in project '${project}'.`);
  return key;
}

async function adminKey(access: AccessStore, { key_id: id = '' }: Params): Promise<StoredKey> {
  const key = await access.key(id);
  if (!key.scopes.admin) throw new NotFoundError(`The key '${id}' is not an admin's.`);
  return key;
}

async function revoke(
  call: Call<unknown>,
  find: (access: AccessStore) => Promise<StoredKey>,
): Promise<Response> {
  const { id, scopes } = await administer(call, 'key.revoked', async ({ access }) => {
    const { id: subject } = await found(find(access), MISSING_KEY);
    const result = await access.revokeKey(subject);
    return { result, project: result.project, subject, details: { name: result.name } };
  });
  const object = scopes.admin ? 'organization.admin_api_key.deleted' : 'organization.project.api_key.deleted';
  return Response.json({ id, object, deleted: true });
}

function refuseUnknownScopes(scopes: readonly string[], groups: ReadonlySet<string>): void {
  scopes.forEach((scope, i) => {
    if (scope === 'all' || scope === 'read' || groups.has(scope.replace(/:read$/, ''))) return;
    throw new ApiError(
      400,
      `Invalid 'scopes[${i}]': got '${scope}', expected 'all', 'read' or one of ${[...groups].sort().join(', ')}, with ':read' or without.`,
      { param: `scopes[${i}]`, code: 'invalid_value' },
    );
  });
}

function refusePast(expiresAt: number | undefined): void {
  const now = Math.floor(Date.now() / 1000);
  if (expiresAt === undefined || expiresAt > now) return;
  throw new ApiError(400, `Invalid 'expires_at': got ${expiresAt}, expected a time after now, ${now}.`, {
    param: 'expires_at',
    code: 'invalid_value',
  });
}
