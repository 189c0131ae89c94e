/** A model of an upstream that makes vectors, in the form of one of the engine's, for other providers' wire formats. */

import type { EmbeddingModel, Embeddings } from '@steelyard/engine';
import { EMBEDDINGS_PATH } from '../embed-texts.ts';
import type { Call } from '../endpoint.ts';
import type { UpstreamVectors } from '../receipts/upstream-receipt.ts';
import { usageAttributes } from '../telemetry/generation-watch.ts';
import { brokeOff } from './ask-upstream.ts';
import { notElsewhere } from './chat-body.ts';
import { depart, factsOf } from './departure.ts';
import { AnswerReader } from './read-along.ts';
import { eventsIn } from './sse-events.ts';
import type { UpstreamModelPlan } from './upstream-model.ts';

/** @param call as for `upstreamModel` */
export function upstreamEmbedder(
  call: Call<unknown>,
  { upstream, name, sentName }: UpstreamModelPlan,
): EmbeddingModel {
  return {
    info: {
      name,
      architecture: 'unknown',
      parameterCount: 0,
      quantisation: 'unknown',
      // It refuses by itself what is too long.
      contextLength: Infinity,
      vocabSize: Number.MAX_SAFE_INTEGER,
      dimensions: 0,
      pooling: 'mean',
      backend: `upstream:${upstream.name}`,
    },
    async embed(texts, { dimensions, signal = call.signal } = {}) {
      const sent = {
        ...{ model: sentName, input: texts, encoding_format: 'float' },
        ...(dimensions === undefined ? {} : { dimensions }),
      };
      const departure = { upstream, path: EMBEDDINGS_PATH, model: name, sent, signal };
      const { response, span } = await depart(call, departure);
      const along = new AnswerReader(JSON.stringify(sent).length);
      try {
        const body = along.through(response.body ?? new Response('').body!, false);
        let vectors: Float32Array[] = [];
        for await (const told of eventsIn(body, false)) vectors = vectorsIn(told['data']);
        if (vectors.length !== texts.length) throw new Error('it gave no vector for each text');
        const made: Embeddings & UpstreamVectors = {
          vectors,
          promptTokens: along.read.usage.inputTokens,
          elsewhere: factsOf(departure, along.read),
        };
        return made;
      } catch (error) {
        throw brokeOff(upstream, error);
      } finally {
        span?.set(usageAttributes({ ...along.read.usage, outputTokens: 0 }));
        span?.end();
      }
    },
    tokenize() {
      throw notElsewhere('input', 'Counting tokens', 'Send text');
    },
    dispose: () => Promise.resolve(),
  };
}

function vectorsIn(data: unknown): Float32Array[] {
  if (!Array.isArray(data)) return [];
  return (data as { index?: number; embedding?: unknown }[])
    .toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))
    .flatMap(({ embedding }) => (Array.isArray(embedding) ? [Float32Array.from(embedding as number[])] : []));
}
