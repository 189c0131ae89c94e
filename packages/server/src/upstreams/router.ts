/** Requests that may be computed elsewhere: decides, asks, falls back, says where it was computed, and notes what left. */

import { createHash } from 'node:crypto';
import { SpanKind } from '@opentelemetry/api';
import { egressForbidden } from '@steelyard/core/node';
import { admit, abortReason, stopOf } from '../admission.ts';
import type { Call, Endpoint } from '../endpoint.ts';
import { ApiError, toApiError } from '../http/api-error.ts';
import { findNamed } from '../model-provider.ts';
import { bodyBytes } from '../queue/queues.ts';
import { giveUpstreamReceipt, receiptWish } from '../receipts/give-receipt.ts';
import type { UpstreamFacts } from '../receipts/upstream-receipt.ts';
import { operationOf, usageAttributes } from '../telemetry/generation-watch.ts';
import type { Traced } from '../telemetry/tracing.ts';
import { askUpstream, passOn, UpstreamUnavailable } from './ask-upstream.ts';
import { upstreamsOf, type Route, type Routing, type Upstream } from './config.ts';
import { dataLabels } from './data-labels.ts';
import { decide, routeOf, type Decision, type Where } from './decide.ts';
import { AnswerReader, type ReadAnswer } from './read-along.ts';

export const COMPUTED_BY_HEADER = 'x-steelyard-computed-by';
export const UPSTREAM_ACTION = 'answer.upstream';

const LOCAL = 'local';
const BYTES_PER_TOKEN = 4;

interface RoutedBody extends Readonly<Record<string, unknown>> {
  readonly model: string;
}

export class Router {
  readonly #routing: Routing;
  readonly #upstreams: ReadonlyMap<string, Upstream>;

  /** @throws RequestError for a key that is not there */
  constructor(routing: Routing, env: Readonly<Record<string, string | undefined>>) {
    this.#routing = routing;
    this.#upstreams = upstreamsOf(routing, env);
  }

  /** Names of models that are to be had elsewhere, with where; those of a whole beginning are not listed. */
  list(): readonly { readonly model: string; readonly upstream: string }[] {
    if (egressForbidden()) return [];
    return this.#routing.routes
      .filter(({ model, policy }) => !model.endsWith('*') && policy !== 'local-only')
      .map(({ model, upstream }) => ({ model, upstream }));
  }

  /** Whether a request for the model may be computed elsewhere, its data allowing. */
  reaches(model: string): boolean {
    const route = routeOf(this.#routing, model);
    return !egressForbidden() && route !== undefined && route.policy !== 'local-only';
  }

  /**
   * Answers here or elsewhere.
   * @param here computes it here
   * @throws ApiError 403 for data that must stay and a model that is not here; as the last that was tried
   */
  async answer(call: Call<unknown>, { path }: Endpoint, here: () => Promise<Response>): Promise<Response> {
    const body = call.body as RoutedBody;
    const decision = await this.#decide(call, body);
    const { order, route } = decision;
    let failure: unknown;
    for (const [i, where] of order.entries()) {
      try {
        return where === 'local' ? await local(here) : await this.#elsewhere(call, path, body, route!);
      } catch (error) {
        failure = this.#explained(error, decision);
        if (i === order.length - 1 || !mayFallBack(where, error)) throw failure;
      }
    }
    throw failure;
  }

  async #decide(call: Call<unknown>, body: RoutedBody): Promise<Decision> {
    const { services, request } = call;
    const decision = decide(this.#routing, {
      model: body.model,
      labels: dataLabels(call, this.#routing.projects),
      bound: isBound(body),
      servedHere: await isServedHere(call, body.model),
      waiting: services.queues.load(body.model).waiting,
      promptTokens: Math.ceil(bodyBytes(request) / BYTES_PER_TOKEN),
    });
    if (!egressForbidden()) return decision;
    const order = decision.order.filter((where) => where === 'local');
    return {
      staysBecause: 'this server connects to no other (--no-egress)',
      ...decision,
      order: order.length > 0 ? order : ['local'],
    };
  }

  /** A model that is only elsewhere, for data that must stay, is not just unknown. */
  #explained(error: unknown, { staysBecause }: Decision): unknown {
    const told = toApiError(error);
    if (staysBecause === undefined || told.code !== 'model_not_found') return error;
    return new ApiError(
      403,
      `This request may not leave, because ${staysBecause}, and its model is not served here.`,
      {
        param: 'model',
        code: 'must_stay',
        cause: error,
      },
    );
  }

  async #elsewhere(call: Call<unknown>, path: string, body: RoutedBody, route: Route): Promise<Response> {
    const upstream = this.#upstreams.get(route.upstream)!;
    const { metrics } = call.services;
    const wish = receiptWish(call);
    const leave = admit(call, body.model);
    let stop;
    try {
      stop = stopOf(call);
    } catch (error) {
      leave();
      throw error;
    }
    const { signal, abort } = stop;
    const span = upstreamSpan(call, path, body, upstream);
    const sent = outgoing(path, body, route);
    const reader = new AnswerReader(JSON.stringify(sent).length);
    let began = false;
    const end = () => {
      abort();
      leave();
      // What began was computed, though nobody may have waited for its end.
      if (began) {
        const { usage } = reader.read;
        const kind = operationOf(path) === 'embeddings' ? 'embeddings' : 'completions';
        call.services.charge(call.caller, { model: body.model, kind, ...usage });
        span?.set(usageAttributes(usage));
      }
      began = false;
      span?.end();
    };
    try {
      await note(call, path, upstream, sent);
      const response = await askUpstream({ upstream, path: path.replace(/^\/v1/, ''), body: sent, signal });
      metrics.observeUpstream(upstream.name, String(response.status));
      const streams = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
      began = true;
      const extension = async (read: ReadAnswer) => ({
        receipts: [await giveUpstreamReceipt(call, factsOf(call, { path, upstream, sent, read }))],
      });
      const told = reader.through(
        response.body ?? new Response('').body!,
        streams,
        wish === 'none' ? undefined : extension,
      );
      return new Response(passOn(upstream, told, streams, end), {
        headers: {
          'content-type': response.headers.get('content-type') ?? 'application/json',
          ...(streams ? { 'cache-control': 'no-cache', 'x-accel-buffering': 'no' } : {}),
          [COMPUTED_BY_HEADER]: `upstream:${upstream.name}`,
        },
      });
    } catch (error) {
      const why = signal.aborted ? abortReason(call, signal) : error;
      metrics.observeUpstream(upstream.name, toApiError(why).code ?? 'failed');
      span?.end({ failure: toApiError(why).code ?? 'failed' });
      end();
      throw why;
    }
  }
}

function upstreamSpan(
  { trace }: Call<unknown>,
  path: string,
  { model }: RoutedBody,
  { name, url }: Upstream,
): Traced | undefined {
  const operation = operationOf(path);
  const attributes = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': name,
    'gen_ai.request.model': model,
    'server.address': new URL(url).hostname,
  };
  return trace?.child(`${operation} ${model}`, attributes, { kind: SpanKind.CLIENT });
}

/** Says that an answer was computed here. */
export async function local(here: () => Promise<Response>): Promise<Response> {
  const response = await here();
  response.headers.set(COMPUTED_BY_HEADER, LOCAL);
  return response;
}

/** From here: what is not there, does not fit or is too busy. From elsewhere: what cannot answer. */
function mayFallBack(where: Where, error: unknown): boolean {
  if (where === 'upstream') return error instanceof UpstreamUnavailable;
  const { status, code } = toApiError(error);
  return status === 429 || code === 'model_not_found' || code === 'model_too_large';
}

async function isServedHere({ services }: Call<unknown>, model: string): Promise<boolean> {
  const { models, embeddingModels } = services;
  const infos = [...(await models.list()), ...(await embeddingModels.list())];
  return findNamed(infos, model, ({ name }) => name) !== undefined;
}

/** Goes on from what is kept here, is to be kept while it runs, or calls tools that this server runs. */
function isBound(body: RoutedBody): boolean {
  if (body['previous_response_id'] || body['conversation'] || body['background'] === true) return true;
  const { input, tools } = body;
  const refers = (item: unknown) => (item as { type?: unknown } | null)?.type === 'item_reference';
  if (Array.isArray(input) && input.some(refers)) return true;
  const runsHere = (tool: unknown) =>
    !['function', 'custom'].includes(String((tool as { type?: unknown })?.type));
  return Array.isArray(tools) && tools.some(runsHere);
}

/** Without what is ours alone; nothing is to be kept there. */
function outgoing(path: string, body: RoutedBody, route: Route): Record<string, unknown> {
  const { steelyard: _, chat_template_kwargs: __, metadata, ...rest } = body;
  const { data_label: ___, ...others } = (metadata ?? {}) as Record<string, unknown>;
  return {
    ...rest,
    ...(Object.keys(others).length > 0 ? { metadata: others } : {}),
    model: route.upstream_model ?? body.model,
    ...(path === '/v1/responses' ? { store: false } : {}),
  };
}

interface Elsewhere {
  readonly path: string;
  readonly upstream: Upstream;
  readonly sent: Readonly<Record<string, unknown>>;
  readonly read: ReadAnswer;
}

function factsOf({ requestId }: Call<unknown>, { path, upstream, sent, read }: Elsewhere): UpstreamFacts {
  const { inputTokens, cachedTokens, outputTokens, estimated } = read.usage;
  return {
    endpoint: path,
    request_id: requestId,
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

function digestOf(sent: Readonly<Record<string, unknown>>): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(sent)).digest('hex')}`;
}

/** Before anything leaves; a digest, never what was said. */
async function note(
  { services, caller, requestId }: Call<unknown>,
  path: string,
  { name, url }: Upstream,
  sent: Readonly<Record<string, unknown>>,
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
