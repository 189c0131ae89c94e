/** `POST /api/pull` with its progress, `POST /api/copy` and `DELETE /api/delete`, in Ollama's shape. */

import { NotFoundError } from '@steelyard/core';
import { stopOf } from '../../admission.ts';
import { defineEndpoint, type Call } from '../../endpoint.ts';
import { ApiError } from '../../http/api-error.ts';
import { sseResponse } from '../../http/sse.ts';
import { findNamed } from '../../model-provider.ts';
import type { ModelDepot, PullProgress } from '../../model-depot.ts';
import { modelNameOf } from '../../ollama/ask.ts';
import { NDJSON, ollamaLines } from '../../ollama/lines.ts';
import { pullSource } from '../../ollama/sources.ts';
import { ollamaProgressSchema, type OllamaProgress } from '../../schemas/ollama-answer.ts';
import {
  ollamaCopySchema,
  ollamaDeleteSchema,
  ollamaPullSchema,
  type OllamaCopy,
  type OllamaDelete,
  type OllamaPull,
} from '../../schemas/ollama-request.ts';

const STATUS: Readonly<Record<PullProgress['phase'], string>> = {
  resolve: 'pulling manifest',
  download: 'pulling',
  extract: 'extracting',
  verify: 'verifying sha256 digest',
  done: 'writing manifest',
};

export const ollamaPull = defineEndpoint({
  method: 'POST',
  path: '/api/pull',
  access: 'admin',
  anyContentType: true,
  summary: "Brings a model into the store, in Ollama's shape; streams its progress unless told otherwise.",
  request: ollamaPullSchema,
  response: ollamaProgressSchema,
  streamEvent: ollamaProgressSchema,
  streamType: NDJSON,
  async handle(call: Call<OllamaPull>) {
    const { depot, limits } = call.services;
    if (!depot?.pull) throw refused('pulls no models', 'Pull it there: steelyard pull SOURCE.');
    const source = pullSource(modelNameOf(call.body));
    const stop = stopOf(call);
    const progress = pullEvents(depot.pull.bind(depot), source, stop.signal);
    if (call.body.stream ?? true) {
      return sseResponse(progress, { frames: ollamaLines, stallMs: limits.stallMs, onCancel: stop.abort });
    }
    try {
      let last: OllamaProgress = { status: 'success' };
      for await (const event of progress) last = event;
      return Response.json(last);
    } finally {
      stop.abort();
    }
  },
});

type Pull = NonNullable<ModelDepot['pull']>;

/** Of progress, only the newest counts: a reader that is slow misses what has passed. */
async function* pullEvents(pull: Pull, source: string, signal: AbortSignal): AsyncGenerator<OllamaProgress> {
  let newest: PullProgress | undefined;
  let wake = (): void => {};
  let ended = false;
  const onProgress = (progress: PullProgress) => {
    newest = progress;
    wake();
  };
  const done = pull(source, { signal, onProgress }).finally(() => {
    ended = true;
    wake();
  });
  // Its failure is thrown below; meanwhile it must not count as unhandled.
  done.catch(() => {});
  while (!ended || newest) {
    if (newest) {
      const event = toEvent(newest);
      newest = undefined;
      yield event;
    } else await new Promise<void>((resolve) => (wake = resolve));
  }
  await done;
  yield { status: 'success' };
}

function toEvent({ phase, file, receivedBytes, totalBytes }: PullProgress): OllamaProgress {
  const status = file === '' || phase === 'done' ? STATUS[phase] : `${STATUS[phase]} ${file}`;
  if (phase === 'resolve' || phase === 'done') return { status };
  // Clients keep a bar per digest; the file's name tells them apart as well.
  return { status, digest: file, completed: receivedBytes, ...(totalBytes ? { total: totalBytes } : {}) };
}

export const ollamaCopy = defineEndpoint({
  method: 'POST',
  path: '/api/copy',
  access: 'admin',
  anyContentType: true,
  summary: "Gives a model of the store another name, in Ollama's shape; its files are shared.",
  request: ollamaCopySchema,
  response: ollamaProgressSchema,
  async handle({ body, services }: Call<OllamaCopy>) {
    const { depot } = services;
    if (!depot?.copy) throw refused('copies no models', 'Let its operator do it there.');
    const { name } = await storedNamed(depot, body.source);
    // Ollama's clients name the newest by a tag, which names have none of here.
    await depot.copy(name, body.destination.replace(/:latest$/, ''));
    return Response.json({ status: 'success' });
  },
});

async function storedNamed(depot: ModelDepot, asked: string) {
  const found = findNamed(await depot.list(), asked, ({ name }) => name);
  if (!found) throw new NotFoundError(`model '${asked}' is not in the store; GET /api/tags lists what is`);
  return found;
}

export const ollamaDelete = defineEndpoint({
  method: 'DELETE',
  path: '/api/delete',
  access: 'admin',
  anyContentType: true,
  summary: "Deletes a model from the store, in Ollama's shape.",
  request: ollamaDeleteSchema,
  response: ollamaProgressSchema,
  async handle({ body, services }: Call<OllamaDelete>) {
    const { depot, models, embeddingModels } = services;
    if (!depot?.remove) throw refused('deletes no models', 'Do it there: steelyard rm MODEL.');
    const found = await storedNamed(depot, modelNameOf(body));
    if (
      [...models.loaded(), ...embeddingModels.loaded()].some(({ model }) => model.info.name === found.name)
    ) {
      throw new ApiError(
        409,
        `Model '${found.name}' is in memory. Send it a request with "keep_alive": 0, or wait until it is unloaded.`,
        { param: 'model', code: 'model_in_use' },
      );
    }
    await depot.remove(found.name);
    return Response.json({ status: 'success' });
  },
});

function refused(what: string, instead: string): ApiError {
  return new ApiError(403, `This server ${what} for its callers. ${instead}`, { code: 'not_allowed_here' });
}
