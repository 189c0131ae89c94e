/** Streams of responses that somebody else began: on their way in the background, or done. */

import { linkedSignal } from '../admission.ts';
import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { sseResponse } from '../http/sse.ts';
import type { ResponseObject } from '../schemas/response-object.ts';
import { BackgroundRun } from './background-runs.ts';
import { replay } from './replay.ts';
import { responseFrames } from './response-frames.ts';
import { sealOf, type Seal } from './sealed-reasoning.ts';

export interface StreamOptions {
  /** Number of the last event that the listener has. Default: it has none. */
  readonly after?: number | undefined;
  /** Events are padded. Default false. */
  readonly obfuscates?: boolean;
}

/** The events of a run after the one known, as they come; the run goes on when the listener leaves. */
export function listenTo(
  call: Call<unknown>,
  run: BackgroundRun,
  { after = -1, obfuscates = false }: StreamOptions,
): Response {
  const { signal, abort } = linkedSignal([call.signal, call.services.lifecycle.signal]);
  return sseResponse(run.listen(after, signal), {
    stallMs: call.services.limits.stallMs,
    frames: responseFrames({ obfuscates }),
    onCancel: abort,
  });
}

/** @throws ApiError 409 where the events are not to be had here */
export function streamStored(
  call: Call<unknown>,
  response: ResponseObject,
  options: StreamOptions,
): Response {
  const run = call.services.background.get(response.id);
  if (run) return listenTo(call, run, options);
  const done = response.status !== 'queued' && response.status !== 'in_progress';
  if (done && options.after === undefined) return listenTo(call, toldAnew(response, sealOf(call)), options);
  throw new ApiError(
    409,
    `The events of response '${response.id}' are not kept here any more, or another server computes it. ` +
      "Get it without 'stream'" +
      (done ? ", or without 'starting_after' to have it told anew." : ' until it is done.'),
    { param: done ? 'starting_after' : 'stream', code: 'events_not_kept' },
  );
}

function toldAnew(response: ResponseObject, seal: Seal): BackgroundRun {
  const run = new BackgroundRun();
  run.push(replay(response, seal));
  run.end();
  return run;
}
