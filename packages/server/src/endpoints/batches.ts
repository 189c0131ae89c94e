/** `/v1/batches`: requests in a file, worked off in the background when nobody waits. */

import type { BatchStore } from '@steelyard/storage';
import { checkScope } from '../access/scopes.ts';
import { toKeep } from '../batches/asked-by.ts';
import { batchable } from '../batches/batchable.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { found } from '../responses/stored-responses.ts';
import { toList } from '../schemas/list-page.ts';
import {
  batchListQuerySchema,
  batchListSchema,
  batchRequestSchema,
  batchSchema,
  toBatch,
  type BatchList,
  type BatchRequest,
} from '../schemas/batches.ts';

const PATH = '/v1/batches';
const ONE = `${PATH}/{batch_id}`;
const WINDOW_SECONDS = { '24h': 24 * 3_600 } as const;

export const createBatch = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Begins to work off a file of requests, one per line.',
  request: batchRequestSchema,
  response: batchSchema,
  async handle(call: Call<BatchRequest>) {
    const { body, services, caller } = call;
    checkScope(caller, batchable(body.endpoint));
    const { output_expires_after: expiry, completion_window: window } = body;
    const { batches } = await call.storage();
    const batch = await batches.create(
      {
        caller: toKeep(call),
        endpoint: body.endpoint,
        inputFileId: body.input_file_id,
        completionWindow: window,
        windowSeconds: WINDOW_SECONDS[window],
        metadata: body.metadata ?? null,
        ...(expiry ? { outputExpiresAfter: expiry.seconds } : {}),
      },
      services.limits.batchBytes,
    );
    services.working()?.batches.wake();
    return Response.json(toBatch(batch));
  },
});

export const listBatches = defineEndpoint({
  method: 'GET',
  path: PATH,
  summary: 'Batches, newest first, in pages.',
  query: batchListQuerySchema,
  response: batchListSchema,
  async handle(call) {
    const { limit, after } = call.query;
    const { batches } = await call.storage();
    const page = await batches.list({ limit, ...(after === undefined ? {} : { after }) });
    const body: BatchList = toList(page.batches.map(toBatch), page.hasMore);
    return Response.json(body);
  },
});

export const retrieveBatch = defineEndpoint({
  method: 'GET',
  path: ONE,
  summary: 'How far a batch is.',
  response: batchSchema,
  handle: (call) => withBatch(call, async (batches, id) => Response.json(toBatch(await batches.get(id)))),
});

export const cancelBatch = defineEndpoint({
  method: 'POST',
  path: `${ONE}/cancel`,
  summary: 'Stops a batch; what it has answered is in its output file.',
  response: batchSchema,
  handle: (call) =>
    withBatch(call, async (batches, id) => {
      const batch = toBatch(await batches.cancel(id));
      if (batch.status !== 'cancelling' && batch.status !== 'cancelled') {
        throw new ApiError(409, `Cannot cancel a batch with status '${batch.status}'.`, {
          param: 'batch_id',
          code: 'invalid_status',
        });
      }
      call.services.working()?.batches.cancel(id);
      return Response.json(batch);
    }),
});

async function withBatch(
  call: Call<unknown>,
  answer: (batches: BatchStore, id: string) => Promise<Response>,
): Promise<Response> {
  const { batches } = await call.storage();
  return found(answer(batches, call.params['batch_id'] ?? ''), {
    status: 404,
    param: 'batch_id',
    code: 'batch_not_found',
  });
}
