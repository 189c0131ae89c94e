/** What all acts of administration share: they are written to the audit log, and keys are asked for anew after them. */

import { RequestError } from '@steelyard/core';
import type { Json, Records } from '@steelyard/storage';
import type { Call } from '../endpoint.ts';

interface Act<T> {
  readonly result: T;
  /** Id of the project that it was done in. */
  readonly project: string;
  readonly subject: string;
  readonly details: Json;
}

/** @param action as the audit log names it: `key.created` */
export async function administer<T>(
  { services, caller }: Call<unknown>,
  action: string,
  act: (records: Records) => Promise<Act<T>>,
): Promise<T> {
  const records = await services.records();
  const { result, ...entry } = await act(records);
  services.access.forget();
  await records.audit.append({ action, actor: caller.keyId, ...entry });
  return result;
}

/** @throws RequestError when `after` names none of them */
export function listOf<T extends { readonly id: string }>(
  all: readonly T[],
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
) {
  const before = after === undefined ? -1 : all.findIndex(({ id }) => id === after);
  if (after !== undefined && before < 0)
    throw new RequestError(`Invalid 'after': got '${after}', expected the id of an entry.`, 'after');
  const data = all.slice(before + 1, before + 1 + limit);
  return {
    object: 'list' as const,
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: before + 1 + limit < all.length,
  };
}
