/** `/v1/responses/{response_id}`: responses that were kept, and those on their way. */

import type { ResponseStore } from '@steelyard/storage';
import { z } from 'zod';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { RESPONSES_PATH } from '../responses/start-response.ts';
import { found, fromStored } from '../responses/stored-responses.ts';
import { streamStored } from '../responses/stream-stored.ts';
import { checkIncludeQuery, includeQuery } from '../schemas/include.ts';
import { itemListQuerySchema, itemListSchema, toItemList, toItemQuery } from '../schemas/item-list.ts';
import { responseEventSchema } from '../schemas/response-events.ts';
import { responseDeletedSchema, responseSchema, type ResponseDeleted } from '../schemas/response-object.ts';

const ONE = `${RESPONSES_PATH}/{response_id}`;
/** Milliseconds that a cancelled answer may take to stop, at most; a model stops after the step that it is at. */
const STOP_MS = 5_000;
const flag = z.enum(['true', 'false']).optional();

const retrieveQuerySchema = z.strictObject({
  stream: flag,
  starting_after: z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .optional(),
  include_obfuscation: flag,
  ...includeQuery,
});

export const retrieveResponse = defineEndpoint({
  method: 'GET',
  path: ONE,
  summary: 'A response as it is now, or its events from the beginning or after one that is known.',
  query: retrieveQuerySchema,
  response: responseSchema,
  streamEvent: responseEventSchema,
  handle: (call) =>
    withResponse(call, async (store, id) => {
      const { stream, starting_after: after, include_obfuscation } = call.query;
      checkIncludeQuery(call.query);
      if (stream !== 'true' && after !== undefined)
        throw new ApiError(400, "'starting_after' is only allowed when 'stream' is true.", {
          param: 'starting_after',
          code: 'invalid_value',
        });
      const response = fromStored(await store.get(id));
      if (stream !== 'true') return Response.json(response);
      return streamStored(call, response, { after, obfuscates: include_obfuscation === 'true' });
    }),
});

export const deleteResponse = defineEndpoint({
  method: 'DELETE',
  path: ONE,
  summary:
    'Deletes a response; one on its way is stopped. Its items stay, unread, while others go on from them.',
  response: responseDeletedSchema,
  handle: (call) =>
    withResponse(call, async (store, id) => {
      await store.remove(id);
      call.services.background.drop(id);
      const body: ResponseDeleted = { id, object: 'response', deleted: true };
      return Response.json(body);
    }),
});

export const cancelResponse = defineEndpoint({
  method: 'POST',
  path: `${ONE}/cancel`,
  summary: 'Stops a response in the background, with what it has so far; one that is done stays as it is.',
  response: responseSchema,
  handle: (call) =>
    withResponse(call, async (store, id) => {
      if (!fromStored(await store.get(id)).background) {
        throw new ApiError(
          400,
          `Response '${id}' was not made in the background, so it cannot be cancelled. To stop one, close its connection.`,
          { param: 'response_id', code: 'invalid_value' },
        );
      }
      const response = fromStored(await store.cancel(id));
      const run = call.services.background.get(id);
      if (response.status !== 'cancelled' || !run) return Response.json(response);
      run.cancel();
      // What was written until then is kept with it.
      await run.ended(STOP_MS);
      return Response.json(fromStored(await store.get(id)));
    }),
});

export const listInputItems = defineEndpoint({
  method: 'GET',
  path: `${ONE}/input_items`,
  summary: 'What a response was asked, newest first unless asked otherwise, in pages; not what went before.',
  query: itemListQuerySchema,
  response: itemListSchema,
  handle: (call) =>
    withResponse(call, async (store, id) =>
      Response.json(toItemList(await store.input(id, toItemQuery(call.query)))),
    ),
});

async function withResponse(
  { params, storage }: Call<unknown>,
  answer: (store: ResponseStore, id: string) => Promise<Response>,
): Promise<Response> {
  const { responses } = await storage();
  return found(answer(responses, params['response_id'] ?? ''), {
    status: 404,
    param: 'response_id',
    code: 'response_not_found',
  });
}
