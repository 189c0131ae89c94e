/** `POST /v1/responses`: whole, streaming, or in the background. */

import { defineEndpoint, type Call } from '../endpoint.ts';
import { streamGeneration } from '../generation.ts';
import { prepareResponse } from '../responses/prepare-response.ts';
import { responseFrames } from '../responses/response-frames.ts';
import { responseEvents, runInBackground } from '../responses/run-response.ts';
import { RESPONSES_PATH, startResponse } from '../responses/start-response.ts';
import { listenTo } from '../responses/stream-stored.ts';
import { responseEventSchema, type ResponseEvent } from '../schemas/response-events.ts';
import { responseSchema } from '../schemas/response-object.ts';
import { responseRequestSchema, type ResponseRequest } from '../schemas/response-request.ts';

export const createResponse = defineEndpoint({
  method: 'POST',
  path: RESPONSES_PATH,
  summary: "The model's answer to a text or to items, kept and gone on from where that is wished.",
  routable: true,
  request: responseRequestSchema,
  response: responseSchema,
  streamEvent: responseEventSchema,
  async handle(call: Call<ResponseRequest>) {
    const { body } = call;
    const obfuscates = body.stream_options?.include_obfuscation === true;
    const prepared = await prepareResponse(call);
    if (body.background) {
      const run = await runInBackground(call, prepared);
      return body.stream ? listenTo(call, run, { obfuscates }) : Response.json(prepared.response);
    }
    const generation = await startResponse(call, prepared);
    const events = responseEvents(call, prepared, generation);
    if (body.stream) return streamGeneration(call, generation, events, responseFrames({ obfuscates }));
    let last: ResponseEvent | undefined;
    for await (const event of events) last = event;
    return Response.json((last as Extract<ResponseEvent, { type: 'response.completed' }>).response);
  },
});
