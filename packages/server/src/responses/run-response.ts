/** Computes a response: for the one who waits for it, whole or streaming, or in the background. */

import { admit } from '../admission.ts';
import type { Call } from '../endpoint.ts';
import { isFault, toApiError } from '../http/api-error.ts';
import type { ResponseEvent } from '../schemas/response-events.ts';
import { toResponseUsage, type ResponseError, type ResponseObject } from '../schemas/response-object.ts';
import type { ResponseRequest } from '../schemas/response-request.ts';
import { totalUsage, type FinishEvent } from '../schemas/usage.ts';
import type { LoopGeneration } from '../tool-loop/tool-loop.ts';
import type { BackgroundRun } from './background-runs.ts';
import type { PreparedResponse } from './prepare-response.ts';
import { ResponseWriter } from './response-writer.ts';
import { startResponse } from './start-response.ts';
import { toStored } from './stored-responses.ts';

/**
 * The events of a response whose first token has come. The last of them comes once the response is kept, if it is to be.
 * @throws what ends the generation; but a stream, unless its reader has gone, and an answer for which a tool has acted are told as failed responses
 */
export async function* responseEvents(
  call: Call<ResponseRequest>,
  prepared: PreparedResponse,
  generation: LoopGeneration,
): AsyncGenerator<ResponseEvent> {
  const writer = new ResponseWriter(prepared.response, prepared);
  writer.begin();
  writer.start();
  yield* writer.take();
  try {
    for await (const told of generation.events) {
      writer.write(told);
      if (told.event.type !== 'finish') yield* writer.take();
    }
  } catch (error) {
    // What a tool has done elsewhere is told in any case.
    const acted = writer.response.output.some(({ type }) => type === 'mcp_call');
    if ((!call.body.stream && !acted) || call.signal.aborted) throw error;
    reportFault(call, error);
    writer.fail(toResponseError(error));
  }
  await keep(prepared, writer.response);
  yield* writer.take();
}

async function keep(
  { storage, context, response, upstream }: PreparedResponse,
  end: ResponseObject,
): Promise<void> {
  const { input, history, conversation } = context;
  await storage?.responses.create({
    ...toStored(end, upstream),
    input,
    ...(response.previous_response_id ? { previousId: response.previous_response_id, history } : {}),
    ...(conversation ? { conversation } : {}),
  });
}

/**
 * Keeps a response as queued and computes it from now on, whoever waits.
 * @throws ApiError 429 or 503 when the server takes no more
 */
export async function runInBackground(
  call: Call<ResponseRequest>,
  prepared: PreparedResponse,
): Promise<BackgroundRun> {
  const { background } = call.services;
  // Held until the answer is kept: a server that closes waits for that.
  const leave = admit(call, call.body.model);
  try {
    await keep(prepared, prepared.response);
  } catch (error) {
    leave();
    throw error;
  }
  const { id } = prepared.response;
  const run = background.begin(id);
  void compute(call, prepared, run).finally(() => {
    background.end(id);
    leave();
  });
  return run;
}

/** Never rejects: nobody would hear of it. */
async function compute(
  call: Call<ResponseRequest>,
  prepared: PreparedResponse,
  run: BackgroundRun,
): Promise<void> {
  const { responses } = prepared.storage!;
  const { id } = prepared.response;
  const writer = new ResponseWriter(prepared.response, prepared);
  const tell = () => run.push(writer.take());
  const finishes: FinishEvent[] = [];
  writer.begin();
  tell();
  try {
    try {
      const generation = await startResponse(
        { ...call, signal: run.signal, isAdmitted: true },
        prepared,
        (finish) => finishes.push(finish),
      );
      if (!(await responses.start(id))) run.cancel();
      writer.start();
      for await (const told of generation.events) {
        writer.write(told);
        if (told.event.type !== 'finish') tell();
      }
    } catch (error) {
      if (!run.signal.aborted) {
        reportFault(call, error);
        writer.fail(toResponseError(error));
      }
    }
    const stored = () => toStored(writer.response, prepared.upstream);
    const isKept = !run.signal.aborted && (await responses.finish(id, stored()));
    if (!isKept) {
      writer.cancel(finishes.length > 0 ? toResponseUsage({ usage: totalUsage(finishes) }) : undefined);
      if (!(await responses.keepCancelled(id, stored())))
        writer.interrupt('response_deleted', 'The response was deleted.');
    }
  } catch (error) {
    call.services.reportError(error, call.requestId);
    writer.interrupt('server_error', 'The response could not be kept; the log of the server says why.');
  }
  tell();
}

/** Those of the server alone; the caller's and those of a closing server are told to nobody else. */
function reportFault(call: Call<unknown>, error: unknown): void {
  if (isFault(toApiError(error))) call.services.reportError(error, call.requestId);
}

function toResponseError(error: unknown): ResponseError {
  const { status, message } = toApiError(error);
  if (status === 429) return { code: 'rate_limit_exceeded', message };
  return { code: status < 500 ? 'invalid_prompt' : 'server_error', message };
}
