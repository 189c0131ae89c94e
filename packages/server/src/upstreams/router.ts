/** Requests that may be computed elsewhere: decides, asks, falls back, and says where it was computed. */

import { egressForbidden } from '@steelyard/core/node';
import { admit, stopOf } from '../admission.ts';
import type { Call, Endpoint } from '../endpoint.ts';
import { ApiError, toApiError } from '../http/api-error.ts';
import { findNamed, providerOf } from '../model-provider.ts';
import { bodyBytes, BYTES_PER_TOKEN, Queues } from '../queue/queues.ts';
import { giveUpstreamReceipt, receiptWish } from '../receipts/give-receipt.ts';
import { CHAT_PATH } from '../start-chat.ts';
import { RESPONSES_PATH } from '../responses/start-response.ts';
import { usageAttributes } from '../telemetry/generation-watch.ts';
import { passOn, UpstreamUnavailable } from './ask-upstream.ts';
import { upstreamsOf, type Route, type Routing, type Upstream } from './config.ts';
import { dataLabels } from './data-labels.ts';
import { decide, routeOf, type Decision, type Where } from './decide.ts';
import { depart, factsOf } from './departure.ts';
import { keeping } from './keep-answer.ts';
import { holdsBack, isPutTogetherHere, type Body } from './kept-here.ts';
import { AnswerReader, type ReadAnswer } from './read-along.ts';
import { upstreamEmbedder } from './upstream-embedder.ts';
import { upstreamModel } from './upstream-model.ts';

export const COMPUTED_BY_HEADER = 'x-steelyard-computed-by';

const LOCAL = 'local';
/** Answers of an upstream wait for none of this server's places. */
const NO_QUEUE = { places: Number.MAX_SAFE_INTEGER, maxWaiting: Number.MAX_SAFE_INTEGER };

/** A request on one of the ways that it may go. */
interface Asked {
  readonly call: Call<unknown>;
  readonly endpoint: Endpoint;
  readonly body: Body;
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

  /** The upstream that may compute a model's answers; undefined where none does. */
  upstreamOf(model: string): string | undefined {
    const route = routeOf(this.#routing, model);
    return route && route.policy !== 'local-only' && !egressForbidden() ? route.upstream : undefined;
  }

  /**
   * Answers here or elsewhere.
   * @throws ApiError 403 for data that must stay and a model that is not here; as the last that was tried
   */
  async answer(call: Call<unknown>, endpoint: Endpoint): Promise<Response> {
    const body = call.body as Body;
    const model = endpoint.modelOf?.(body) ?? (body['model'] as string);
    const asked = { call, endpoint, body, model };
    const decision = await this.#decide(asked);
    const { order, route } = decision;
    let failure: unknown;
    for (const [i, where] of order.entries()) {
      try {
        return where === 'local'
          ? await local(async () => endpoint.handle(call as Call<unknown, never>))
          : await this.#elsewhere(asked, route!);
      } catch (error) {
        failure = this.#explained(error, decision);
        if (i === order.length - 1 || !mayFallBack(where, error)) throw failure;
      }
    }
    throw failure;
  }

  async #decide({ call, body, model }: Asked): Promise<Decision> {
    const { services, request } = call;
    const route = routeOf(this.#routing, model);
    const decision = decide(this.#routing, {
      model,
      labels: dataLabels(call, this.#routing.projects),
      holds: route && (await holdsBack(call, body, route, this.#routing)),
      servedHere: await isServedHere(call, model),
      waiting: services.queues.load(model).waiting,
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

  #elsewhere(asked: Asked, route: Route): Promise<Response> {
    const upstream = this.#upstreams.get(route.upstream)!;
    const { endpoint, body } = asked;
    return endpoint.routable === true && !isPutTogetherHere(body)
      ? passed(asked, route, upstream)
      : putTogether(asked, route, upstream);
  }
}

/** The endpoint's own work, with a model that an upstream computes. */
async function putTogether(
  { call, endpoint, model: name }: Asked,
  route: Route,
  upstream: Upstream,
): Promise<Response> {
  const plan = { upstream, name, sentName: route.upstream_model ?? name };
  const { services } = call;
  const models =
    endpoint.routable === 'embeddings'
      ? { embeddingModels: providerOf([upstreamEmbedder(call, plan)]) }
      : { models: providerOf([upstreamModel(call, plan)]) };
  const response = await endpoint.handle({
    ...call,
    upstream: upstream.name,
    services: { ...services, ...models, queues: new Queues(NO_QUEUE) },
  } as Call<unknown, never>);
  response.headers.set(COMPUTED_BY_HEADER, `upstream:${upstream.name}`);
  return response;
}

/** The request as it is, and the answer as it comes. */
async function passed(
  { call, endpoint, body, model }: Asked,
  route: Route,
  upstream: Upstream,
): Promise<Response> {
  const { path } = endpoint;
  const wish = receiptWish(call);
  const kept = await keeping(call, path, upstream.name);
  const leave = admit(call, model);
  let stop;
  try {
    stop = stopOf(call);
  } catch (error) {
    leave();
    throw error;
  }
  const { signal, abort } = stop;
  const sent = outgoing(path, body, route.upstream_model ?? model);
  const departure = { upstream, path, model, sent, signal };
  try {
    const { response, streams, span } = await depart(call, departure);
    const reader = new AnswerReader(JSON.stringify(sent).length);
    let ended = false;
    const end = () => {
      abort();
      leave();
      if (ended) return;
      ended = true;
      // What began was computed, though nobody may have waited for its end.
      const { usage } = reader.read;
      call.services.charge(call.caller, { model, kind: usageKind(endpoint), ...usage });
      span?.set(usageAttributes(usage));
      span?.end();
    };
    const extension = async (read: ReadAnswer) => {
      const facts = { endpoint: path, request_id: call.requestId, ...factsOf(departure, read) };
      return { receipts: [await giveUpstreamReceipt(call, facts)] };
    };
    const amendment = { ...kept, ...(wish === 'none' ? {} : { extension }) };
    const told = reader.through(
      response.body ?? new Response('').body!,
      streams,
      Object.keys(amendment).length > 0 ? amendment : undefined,
    );
    return new Response(passOn(upstream, told, streams, end), {
      headers: {
        'content-type': response.headers.get('content-type') ?? 'application/json',
        ...(streams ? { 'cache-control': 'no-cache', 'x-accel-buffering': 'no' } : {}),
        [COMPUTED_BY_HEADER]: `upstream:${upstream.name}`,
      },
    });
  } catch (error) {
    abort();
    leave();
    throw error;
  }
}

function usageKind({ routable }: Endpoint): 'embeddings' | 'completions' {
  return routable === 'embeddings' ? 'embeddings' : 'completions';
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

/** Without what is ours alone; nothing is to be kept there. */
function outgoing(path: string, body: Body, model: string): Body {
  const { steelyard: _, chat_template_kwargs: __, metadata, store, ...rest } = body;
  const { data_label: ___, ...others } = (metadata ?? {}) as Record<string, unknown>;
  // Chat completions are kept only where that is asked for, and only those that are kept have metadata.
  const isKeptChat = path === CHAT_PATH && store === true;
  return {
    ...rest,
    ...(Object.keys(others).length > 0 && !isKeptChat ? { metadata: others } : {}),
    model,
    ...(path === RESPONSES_PATH ? { store: false } : {}),
  };
}
