/** Routes and what surrounds every one of them: ids, access checks, body checks, errors, measurements. */

import { randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { SpanKind } from '@opentelemetry/api';
import { Hono, type Context } from 'hono';
import { getPath } from 'hono/utils/url';
import { openAccess, singleKeyAccess, type Access, type Admission } from './access/access.ts';
import { ANYBODY } from './access/caller.ts';
import { KeyRing } from './access/key-ring.ts';
import { groupOf } from './access/scopes.ts';
import { Spending } from './access/spending.ts';
import { UsageMeter } from './access/usage-meter.ts';
import { mountDocs } from './docs/mount-docs.ts';
import type { Endpoint, RawQuery, Services } from './endpoint.ts';
import { endpoints } from './endpoints/index.ts';
import { ApiError, isFault, toApiError } from './http/api-error.ts';
import { errorBody } from './http/error-bodies.ts';
import { accessControl } from './http/access-control.ts';
import { readJson } from './http/read-json.ts';
import { validate } from './http/validate.ts';
import type { Lifecycle } from './lifecycle.ts';
import { providerOf } from './model-provider.ts';
import { BackgroundWork } from './background/background-work.ts';
import { LowPriorityGate } from './background/low-priority-gate.ts';
import { BatchRunner } from './batches/batch-runner.ts';
import { answerAt } from './batches/answer-at.ts';
import { modelOfLine } from './batches/model-of-line.ts';
import { McpServers } from './mcp-servers/mcp-servers.ts';
import { Metrics } from './metrics.ts';
import type { ServerLimits, ServerOptions } from './options.ts';
import { LoggedRequest } from './request-log.ts';
import { mountPageFiles } from './chat-page.ts';
import { Queues } from './queue/queues.ts';
import { rootSpan, UNTRACED, type Traced } from './telemetry/tracing.ts';
import { routeCall } from './upstreams/route-call.ts';
import { Router } from './upstreams/router.ts';
import { BackgroundRuns } from './responses/background-runs.ts';
import { passingSealer } from './responses/sealed-reasoning.ts';
import { IngestRunner } from './vector-stores/ingest-runner.ts';

export interface AppEnv {
  Variables: { requestId: string; limits?: Admission['headers'] };
}

export interface AppOptions extends ServerOptions {
  readonly host: string;
  readonly limits: ServerLimits;
  /** Default: what `storage` holds. */
  readonly records?: Services['records'];
  /** Default: by `keys` and `apiKey`. */
  readonly access?: Access;
}

export function createApp(
  options: AppOptions,
  lifecycle: Lifecycle,
  services = createServices(options, lifecycle),
): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    const requestId = `req_${randomUUID().replaceAll('-', '')}`;
    c.set('requestId', requestId);
    await next();
    c.header('x-request-id', requestId);
    // By the name that Anthropic's SDK reads.
    c.header('request-id', requestId);
    for (const [name, value] of Object.entries(c.get('limits') ?? {})) c.header(name, value);
    c.header('x-content-type-options', 'nosniff');
    // Its client finds another server by connecting anew.
    if (lifecycle.draining) c.header('connection', 'close');
  });
  app.use(accessControl(options));
  for (const path of new Set(endpoints.map((endpoint) => endpoint.path))) {
    mount(
      app,
      path,
      endpoints.filter((endpoint) => endpoint.path === path),
      { services, options },
    );
  }
  mountPageFiles(app, { chat: options.chatPage ?? true });
  mountDocs(app, endpoints, services);
  app.notFound((c) => errorResponse(c, unknownUrl(c), services));
  app.onError((error, c) => {
    const apiError = toApiError(error);
    if (isFault(apiError)) services.reportError(error, c.get('requestId'));
    return errorResponse(c, apiError, services);
  });
  return app;
}

export function createServices(options: AppOptions, lifecycle: Lifecycle): Services {
  const { models, storage = noStorage, embeddingModels = providerOf([]), limits } = options;
  const { env = process.env, version = '0.1.0' } = options;
  const { sequencesPerModel: places, queueLength: maxWaiting } = limits;
  const queues = new Queues({ places, maxWaiting });
  const records = options.records ?? storage;
  const reportError =
    options.onError ??
    ((error: unknown, requestId: string) => console.error(`request ${requestId} failed:`, error));
  const { access, charge, countedUsage } = accessOf(
    options,
    records,
    (error) => reportError(error, 'usage'),
    lifecycle,
  );
  const gate = new LowPriorityGate(lifecycle);
  const onError = (error: unknown) => reportError(error, 'background');
  const background = new BackgroundWork(lifecycle, (opened) => ({
    batches: new BatchRunner(opened.batchQueue, {
      ...{ gate, limits, onError },
      modelOf: (batch) => modelOfLine(services, batch),
      answer: (batch, body, signal) => answerAt(services, { batch, body, signal }),
    }),
    ingest: new IngestRunner(opened.ingestQueue, {
      ...{ gate, lifecycle, onError },
      models: embeddingModels,
    }),
  }));
  const services: Services = {
    models,
    embeddingModels,
    async storage() {
      const opened = await storage();
      background.resume(opened);
      return opened;
    },
    keeps: options.storage !== undefined,
    ...(options.depot ? { depot: options.depot } : {}),
    records,
    access,
    charge(caller, used) {
      services.metrics.observeTokens(caller.project, used);
      charge(caller, used);
    },
    countedUsage,
    prices: options.prices ?? {},
    scopeGroups: new Set(endpoints.filter(({ open }) => !open).map(groupOf)),
    background: new BackgroundRuns(),
    working: () => background.workers,
    limits,
    ...(options.moderation ? { moderation: options.moderation } : {}),
    lifecycle,
    queues,
    receipts: options.receipts ?? {},
    sealer: options.sealer ?? passingSealer(),
    mcpServers: new McpServers(options.mcpServers ?? {}, {
      ...{ env, version, lifecycle, routing: options.routing },
    }),
    ...(options.routing ? { router: new Router(options.routing, env) } : {}),
    metrics: new Metrics({ models, embeddingModels, lifecycle, queues }),
    version,
    startedAt: Math.floor(Date.now() / 1000),
    reportError,
  };
  return services;
}

function accessOf(
  { apiKey, keys, prices = {}, access }: AppOptions,
  records: Services['records'],
  onError: (error: unknown) => void,
  lifecycle: Lifecycle,
): Pick<Services, 'access' | 'charge' | 'countedUsage'> {
  if (access || !keys) {
    const plain = apiKey === undefined ? openAccess : singleKeyAccess(apiKey);
    return { access: access ?? plain, charge() {}, countedUsage: () => Promise.resolve() };
  }
  const meter = new UsageMeter(records, onError);
  lifecycle.atEnd(() => meter.flush());
  const ring = new KeyRing(records, {
    ...(apiKey === undefined ? {} : { serverKey: apiKey }),
    spending: new Spending(meter, prices, Date.now),
  });
  return {
    access: ring,
    charge(caller, used) {
      meter.record(caller, used);
      ring.charge(caller, used);
    },
    countedUsage: () => meter.flush(),
  };
}

function noStorage(): Promise<never> {
  return Promise.reject(
    new ApiError(501, 'This server keeps nothing: it was made without storage. Give it the option storage.', {
      code: 'storage_not_configured',
    }),
  );
}

/** All methods of one path; any other method is answered 405 with what is allowed. */
function mount(app: Hono<AppEnv>, path: string, of: readonly Endpoint[], server: Served): void {
  const route = path.replace(/\{\+(\w+)\}/g, ':$1{.+}').replace(/\{(\w+)\}/g, ':$1');
  for (const endpoint of of) {
    app.on(endpoint.method, route, (c) => serve(endpoint, c, server));
  }
  app.all(route, (c) => {
    const allow = of.map((endpoint) => endpoint.method).join(', ');
    const shown = path.replaceAll('{+', '{');
    throw new ApiError(405, `${c.req.method} is not allowed on ${shown}; expected ${allow}.`, {
      code: 'method_not_allowed',
      headers: { allow },
    });
  });
}

interface Served {
  readonly services: Services;
  readonly options: AppOptions;
}

async function serve(
  endpoint: Endpoint,
  c: Context<AppEnv>,
  { services, options: { requestLog, logContent, tracing } }: Served,
): Promise<Response> {
  const started = performance.now();
  const { method, path } = endpoint;
  const head = { request_id: c.get('requestId'), method, path };
  // Probes and scrapes come every few seconds: neither logged nor traced.
  const isWatched = !endpoint.open;
  const log =
    isWatched && requestLog ? new LoggedRequest(head, requestLog, { content: logContent }) : undefined;
  const trace = isWatched ? requestSpan(tracing, endpoint, c.req.raw, c.get('requestId')) : UNTRACED;
  let status = 500;
  let response: Response | undefined;
  try {
    // Those that tell how the server is are answered to the end.
    if (!endpoint.open) services.lifecycle.refuseWhenDraining();
    const { caller, headers } = endpoint.open
      ? { caller: ANYBODY, headers: {} }
      : await services.access.admit(c.req.raw.headers, endpoint, (known) => {
          log?.from(known);
          trace.set({ 'steelyard.project': known.project });
        });
    c.set('limits', headers);
    const body = endpoint.request
      ? validate(endpoint.request, await readJson(c.req.raw, services.limits, endpoint))
      : undefined;
    log?.asks(body);
    response = await routeCall(endpoint, {
      body,
      params: c.req.param(),
      query: endpoint.query ? validate<RawQuery>(endpoint.query, queryOf(c)) : queryOf(c),
      request: c.req.raw,
      requestId: c.get('requestId'),
      caller,
      trace,
      storage: async () => (await services.storage()).project(caller.project),
      signal: c.req.raw.signal,
      services: log ? logged(services, log) : services,
    });
    status = response.status;
    return response;
  } catch (error) {
    status = toApiError(error).status;
    throw error;
  } finally {
    services.metrics.observeRequest(path, status, (performance.now() - started) / 1000);
    const { outgoing } = (c.env ?? {}) as Partial<HttpBindings>;
    log?.answers(status, response, outgoing);
    const end = () => trace.end(status >= 500 ? { failure: String(status) } : {});
    trace.set({ 'http.response.status_code': status });
    if (outgoing && !outgoing.closed) outgoing.once('close', end);
    else end();
  }
}

function queryOf(c: Context<AppEnv>): RawQuery {
  const lists = Object.entries(c.req.queries()).filter(([name]) => name.endsWith('[]'));
  return { ...c.req.query(), ...Object.fromEntries(lists) };
}

function requestSpan(
  tracing: AppOptions['tracing'],
  { method, path }: Endpoint,
  { headers }: Request,
  requestId: string,
): Traced {
  const trace = rootSpan(tracing, { name: `${method} ${path}`, headers, kind: SpanKind.SERVER });
  trace.set({
    'http.request.method': method,
    'http.route': path,
    'url.scheme': 'http',
    'steelyard.request_id': requestId,
  });
  return trace;
}

function logged(services: Services, log: LoggedRequest): Services {
  return {
    ...services,
    charge(whom, used) {
      log.used(used);
      services.charge(whom, used);
    },
  };
}

function unknownUrl(c: Context<AppEnv>): ApiError {
  return new ApiError(
    404,
    `Unknown request URL: ${c.req.method} ${getPath(c.req.raw)}. GET /v1/models lists what is served.`,
    { code: 'unknown_url' },
  );
}

function errorResponse(c: Context<AppEnv>, error: ApiError, { metrics }: Services): Response {
  metrics.observeError(error.code ?? 'unknown');
  for (const [name, value] of Object.entries(error.headers)) c.header(name, value);
  const asked = {
    path: c.req.path,
    requestId: c.get('requestId'),
    header: (name: string) => c.req.header(name),
  };
  return c.json(errorBody(error, asked), error.status as 400);
}
