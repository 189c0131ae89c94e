/** A request on its way to an upstream: noted before anything leaves, measured, traced, and what a receipt says of it. */

import { createHash } from 'node:crypto';
import { SpanKind } from '@opentelemetry/api';
import { abortReason } from '../admission.ts';
import type { Call } from '../endpoint.ts';
import { toApiError } from '../http/api-error.ts';
import type { UpstreamFacts } from '../receipts/upstream-receipt.ts';
import { operationOf } from '../telemetry/generation-watch.ts';
import type { Traced } from '../telemetry/tracing.ts';
import { askUpstream } from './ask-upstream.ts';
import type { Upstream } from './config.ts';
import type { ReadAnswer } from './read-along.ts';

export const UPSTREAM_ACTION = 'answer.upstream';

export interface Departure {
  readonly upstream: Upstream;
  /** Of the API, with the version: `/v1/chat/completions`. */
  readonly path: string;
  /** As the request names it. */
  readonly model: string;
  readonly sent: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

export interface Arrival {
  readonly response: Response;
  readonly streams: boolean;
  /** Ends with the answer. */
  readonly span: Traced | undefined;
}

/**
 * @returns the answer, as it begins
 * @throws as `askUpstream`; why the request was stopped, where it was
 */
export async function depart(call: Call<unknown>, departure: Departure): Promise<Arrival> {
  const { upstream, path, sent, signal } = departure;
  const { metrics } = call.services;
  const span = spanOf(call, departure);
  try {
    await note(call, departure);
    const response = await askUpstream({ upstream, path: path.replace(/^\/v1/, ''), body: sent, signal });
    metrics.observeUpstream(upstream.name, String(response.status));
    const streams = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
    return { response, streams, span };
  } catch (error) {
    const why = signal.aborted ? abortReason(call, signal) : error;
    const code = toApiError(why).code ?? 'failed';
    metrics.observeUpstream(upstream.name, code);
    span?.end({ failure: code });
    throw why;
  }
}

export function factsOf(
  { upstream, sent }: Departure,
  read: ReadAnswer,
): Omit<UpstreamFacts, 'endpoint' | 'request_id'> {
  const { inputTokens, cachedTokens, outputTokens, estimated } = read.usage;
  return {
    upstream: {
      name: upstream.name,
      host: new URL(upstream.url).host,
      model: String(sent['model']),
      answered_model: read.model,
      system_fingerprint: read.fingerprint,
    },
    request: { sha256: digestOf(sent) },
    answer: { bytes: read.bytes, sha256: `sha256:${read.sha256}` },
    usage: {
      input_tokens: inputTokens,
      cached_tokens: cachedTokens,
      output_tokens: outputTokens,
      estimated,
    },
  };
}

function spanOf({ trace }: Call<unknown>, { path, model, upstream }: Departure): Traced | undefined {
  const operation = operationOf(path);
  const attributes = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': upstream.name,
    'gen_ai.request.model': model,
    'server.address': new URL(upstream.url).hostname,
  };
  return trace?.child(`${operation} ${model}`, attributes, { kind: SpanKind.CLIENT });
}

function digestOf(sent: Departure['sent']): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(sent)).digest('hex')}`;
}

/** A digest, never what was said. */
async function note(
  { services, caller, requestId }: Call<unknown>,
  { path, upstream: { name, url }, sent }: Departure,
): Promise<void> {
  if (!services.keeps) return;
  const { audit } = await services.storage();
  await audit.append({
    action: UPSTREAM_ACTION,
    project: caller.project,
    actor: caller.keyId,
    subject: requestId,
    details: {
      upstream: name,
      host: new URL(url).host,
      endpoint: path,
      model: String(sent['model']),
      request: digestOf(sent),
    },
  });
}
