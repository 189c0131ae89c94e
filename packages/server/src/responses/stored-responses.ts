/** Between responses on the wire and their rows, and the wire's errors for rows that are not there. */

import { NotFoundError } from '@steelyard/core';
import type { Item, NewResponse, ResponseEnd, ResponseStore, StoredResponse } from '@steelyard/storage';
import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import type { KeptItem } from '../schemas/response-items.ts';
import type { ResponseObject } from '../schemas/response-object.ts';
import type { FindItems } from './keep-items.ts';

/** Field of what is stored, and shown to nobody: the upstream that computed it. */
const UPSTREAM = 'steelyard_upstream';

/**
 * What may be stored of a response at any time.
 * @param upstream its name, where one computed it
 */
export function toStored(response: ResponseObject, upstream?: string): Pick<NewResponse, 'id'> & ResponseEnd {
  const { id, status, error, output, ...body } = response;
  const mark = upstream === undefined ? {} : { [UPSTREAM]: upstream };
  return { id, status, error, output, body: { id, ...body, ...mark } };
}

export function fromStored({ status, error, output, body }: StoredResponse): ResponseObject {
  const { [UPSTREAM]: _, ...shown } = body;
  // Only objects of this shape are ever stored.
  return { ...shown, status, error, output } as unknown as ResponseObject;
}

/** The upstream that computed a response; undefined where it was computed here, or is not kept. */
export async function computedBy(call: Call<unknown>, id: string): Promise<string | undefined> {
  if (!call.services.keeps) return undefined;
  const { responses } = await call.storage();
  try {
    const upstream = (await responses.get(id)).body[UPSTREAM];
    return typeof upstream === 'string' ? upstream : undefined;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

export function fromStoredItems(items: readonly Item[]): KeptItem[] {
  return items as readonly unknown[] as KeptItem[];
}

/** Looks up what items of a request refer to. */
export function itemFinder(responses: ResponseStore): FindItems {
  return async (ids) => {
    const items = fromStoredItems([...(await responses.find(ids)).values()]);
    return new Map(items.map((item) => [item.id, item]));
  };
}

/**
 * Runs a look-up; what it does not find becomes an answer, for the general mapping takes it for a model.
 * @throws ApiError with `status` and `code`
 */
export async function found<T>(
  work: Promise<T>,
  missing: { readonly status: number; readonly param: string; readonly code: string },
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new ApiError(missing.status, error.message, { ...missing, cause: error });
  }
}
