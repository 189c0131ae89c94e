/**
 * Everything that `steelyard serve` can be told: the one place that knows its settings. Flags, variables, files, their
 * checks and docs/configuration.md all come from here; a setting is added by a line here and its use in
 * `serve-options.ts`.
 */

import { DEFAULT_LIMITS, routingSchema } from '@steelyard/server/config';
import { z } from 'zod';
import { choice, fraction, list, shaped, shortTime, size, text, time, whole, yesNo } from './setting.ts';

const optional = <T extends z.ZodType>(schema: T) => schema.optional();

const limits = z
  .strictObject({
    bodyBytes: size('Largest request body.', (s) => s.default(DEFAULT_LIMITS.bodyBytes), { rare: true }),
    fileBytes: size('Largest file.', (s) => s.default(DEFAULT_LIMITS.fileBytes), { rare: true }),
    uploadBytes: size('Largest file that comes in parts.', (s) => s.default(DEFAULT_LIMITS.uploadBytes), {
      rare: true,
    }),
    partBytes: size('Largest part of such a file.', (s) => s.default(DEFAULT_LIMITS.partBytes), {
      rare: true,
    }),
    batchBytes: size('Largest input of a batch.', (s) => s.default(DEFAULT_LIMITS.batchBytes), {
      rare: true,
    }),
    jsonDepth: whole(
      'Deepest nesting of arrays and objects in a request.',
      [1, 10_000],
      (s) => s.default(DEFAULT_LIMITS.jsonDepth),
      { rare: true },
    ),
    concurrentRequests: whole(
      'Requests that are computed or wait; more are answered 429.',
      [1, 1_000_000],
      (s) => s.default(DEFAULT_LIMITS.concurrentRequests),
      { rare: true },
    ),
    concurrentBytes: size(
      'What the bodies of those may have together; more are answered 429.',
      (s) => s.default(DEFAULT_LIMITS.concurrentBytes),
      { rare: true },
    ),
    sequencesPerModel: whole(
      "Sequences that a model's engine gets at once; more wait.",
      [1, 100_000],
      (s) => s.default(DEFAULT_LIMITS.sequencesPerModel),
      { rare: true },
    ),
    queueLength: whole(
      'Requests that wait for one model; more are answered 429.',
      [0, 1_000_000],
      (s) => s.default(DEFAULT_LIMITS.queueLength),
      { rare: true },
    ),
    deadline: shortTime(
      'How long an answer may take unless its request says so; 0: as long as it takes.',
      (s) => s.default(DEFAULT_LIMITS.deadlineMs),
      { rare: true },
    ),
    headers: shortTime(
      'How long the head of a request may take to arrive.',
      (s) => s.default(DEFAULT_LIMITS.headersMs),
      { rare: true },
    ),
    silence: shortTime(
      'How long a body may fall silent while it arrives.',
      (s) => s.default(DEFAULT_LIMITS.silenceMs),
      { rare: true },
    ),
    request: shortTime(
      'How long a JSON body may take to arrive; files may take as long as they do.',
      (s) => s.default(DEFAULT_LIMITS.requestMs),
      { rare: true },
    ),
    tool: shortTime(
      'How long a call of a tool may take that the server runs.',
      (s) => s.default(DEFAULT_LIMITS.toolMs),
      { rare: true },
    ),
    stall: shortTime(
      'How long a client may leave an answer unread before it is cut off.',
      (s) => s.default(DEFAULT_LIMITS.stallMs),
      { rare: true },
    ),
    drain: shortTime(
      'How long answers in progress may go on when the server is told to stop.',
      (s) => s.default(DEFAULT_LIMITS.drainMs),
      { rare: true },
    ),
  })
  .prefault({})
  .describe('What requests may take.');

/** A text by its checks; zod has a class of its own for it. */
const url = z.url({ protocol: /^https?$/ }) as unknown as z.ZodString;

const s3 = z
  .strictObject({
    bucket: text('Keeps contents of files in this bucket instead of `dataDir`.', optional, { rare: true }),
    endpoint: text(
      'Address of what speaks S3.',
      optional,
      { rare: true, placeholder: 'url', expected: 'an address such as https://host', otherwise: "AWS's" },
      url,
    ),
    region: text('Region of the bucket.', optional, { rare: true, otherwise: '`us-east-1`' }),
    prefix: text('Before the name of every object.', optional, { rare: true }),
  })
  .superRefine(({ bucket, ...others }, context) => {
    const [first] = Object.entries(others).filter(([, value]) => value !== undefined);
    if (bucket === undefined && first)
      context.addIssue({ code: 'custom', path: [first[0]], message: 'has no bucket: set s3.bucket too' });
  })
  .prefault({})
  .describe("Contents in a bucket. Its keys are found as AWS's tools find them.");

const moderation = z
  .strictObject({
    model: text('Served model that judges texts for /v1/moderations.', optional, {
      placeholder: 'name',
      otherwise: 'none, and /v1/moderations answers 501',
    }),
    policyFile: text('Text that says what each category means.', optional, {
      flag: 'moderation-policy',
      placeholder: 'file',
      path: 'always',
      otherwise: 'one of its own',
    }),
  })
  .superRefine(({ model, policyFile }, context) => {
    if (policyFile !== undefined && model === undefined)
      context.addIssue({
        code: 'custom',
        path: ['policyFile'],
        message: 'needs a model that judges under it: set moderation.model (--moderation-model) too',
      });
  })
  .prefault({})
  .describe('What judges texts.');

const telemetry = z
  .strictObject({
    endpoint: text(
      'Collector that gets traces by OTLP over HTTP (JSON), below its path v1/traces.',
      optional,
      {
        ...{ rare: true, placeholder: 'url', env: ['OTEL_EXPORTER_OTLP_ENDPOINT'] },
        expected: 'an address such as http://127.0.0.1:4318',
        otherwise: 'none, and nothing is traced',
      },
      url,
    ),
    tracesEndpoint: text(
      'The same with its whole path.',
      optional,
      {
        ...{ rare: true, placeholder: 'url', env: ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] },
        expected: 'an address such as http://127.0.0.1:4318/v1/traces',
        otherwise: '`v1/traces` below `endpoint`',
      },
      url,
    ),
    headers: text(
      'Sent to the collector, as in `authorization=Bearer%20x,tenant=y`.',
      optional,
      {
        ...{ rare: true, secret: true },
        env: ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS'],
        expected: 'name=value, separated by commas',
        otherwise: 'none',
      },
      z.string().regex(/^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$/),
    ),
    serviceName: text('Name of this server in traces.', (s) => s.default('steelyard'), {
      ...{ rare: true, placeholder: 'name', env: ['OTEL_SERVICE_NAME'] },
    }),
    sample: fraction(
      'Share of requests that are traced; requests that come with a trace decide for themselves.',
      (s) => s.default(1),
      { rare: true, env: ['OTEL_TRACES_SAMPLER_ARG'] },
    ),
    off: yesNo('Trace nothing, whatever else is set.', (s) => s.default(false), {
      rare: true,
      env: ['OTEL_SDK_DISABLED'],
    }),
  })
  .prefault({})
  .describe(
    'Traces for OpenTelemetry. Nothing of what is asked and answered is in them. OTEL_RESOURCE_ATTRIBUTES and OTEL_BSP_* are read too.',
  );

const price = z.strictObject({ input: z.number().nonnegative(), output: z.number().nonnegative() });

export const configSchema = z.strictObject({
  models: list('Models to load at once: names, files, folders or sources.', (s) => s.default([]), {
    flag: false,
    path: 'dotted',
    otherwise: 'the default model, and every stored one as requests name it',
  }),
  host: text('Address to listen on.', (s) => s.default('127.0.0.1'), { placeholder: 'address' }),
  port: whole('Port, or the next free one; 0: any.', [0, 65_535], (s) => s.default(8642)),
  allowHosts: list('Names by which callers may reach this server.', (s) => s.default([]), {
    flag: 'allow-host',
    placeholder: 'name',
    otherwise: 'names of this machine',
  }),
  allowOrigins: list('Web pages that may call, * for all.', (s) => s.default([]), {
    flag: 'allow-origin',
    placeholder: 'origin',
    otherwise: 'none but its own',
  }),
  chatPage: yesNo('Serve the chat page.', (s) => s.default(true), { off: 'API and its documentation only' }),
  pull: yesNo('Let callers pull and delete models (POST /api/pull).', (s) => s.default(true), {
    off: 'callers may not pull or delete models (POST /api/pull)',
  }),
  apiKey: text('Ask callers for this key.', optional, {
    secret: true,
    placeholder: 'key',
    otherwise: 'none',
  }),
  keys: yesNo('Ask callers for keys of projects; the first start prints an admin key.', optional, {
    otherwise: 'where other machines reach it',
  }),
  dataDir: text('Where files and the embedded database are kept.', optional, {
    placeholder: 'path',
    path: 'always',
    otherwise: '`server` beside the models',
  }),
  databaseUrl: text(
    'PostgreSQL in place of the embedded database.',
    optional,
    {
      ...{ secret: true, rare: true, env: ['DATABASE_URL'], placeholder: 'url' },
      expected: 'an address such as postgresql://user@host/name',
      otherwise: 'an embedded database in `dataDir`',
    },
    z.string().regex(/^postgres(ql)?:\/\//),
  ),
  s3,
  backend: choice('What computes.', ['cpu', 'wasm', 'reference'], optional, {
    otherwise: 'the fastest here',
  }),
  threads: whole('Threads of the CPU backend.', [1, 1024], optional, { otherwise: 'one to a core' }),
  context: whole('Longest sequence, in tokens.', [1, 100_000_000], optional, {
    placeholder: 'tokens',
    otherwise: "the model's, as far as memory goes",
  }),
  kvCacheDtype: choice(
    'What the KV cache holds; q8_0 takes half of f16, so twice the tokens fit.',
    ['f16', 'q8_0', 'f32'],
    optional,
    { otherwise: '`f16`' },
  ),
  memory: size('Budget of all models together.', optional, { otherwise: '3/4 of what is free' }),
  modelMemory: size('Budget of each model.', optional, { otherwise: 'an ordinary cache' }),
  keepAlive: time('How long a model stays that no request uses; `models` always stay.', (s) =>
    s.default(300_000),
  ),
  expertsOnDisk: yesNo('Experts need not fit in memory; they are read as tokens choose them.', (s) =>
    s.default(false),
  ),
  speculation: yesNo(
    'Compute likely next tokens ahead where few requests run; no answer changes.',
    (s) => s.default(true),
    { off: 'compute no likely next tokens ahead' },
  ),
  routes: shaped(
    'What may be computed by other providers: a JSON file, or what it would hold.',
    z.union([z.string().min(1), routingSchema]).optional(),
    {
      ...{ placeholder: 'file', path: 'always', otherwise: 'nothing' },
      expected: 'a file, or upstreams and routes',
    },
  ),
  mcp: list(
    'MCP servers whose tools models may call: JSON files of them, or label=url for one.',
    (s) => s.default([]),
    { placeholder: 'file|label=url', path: 'dotted', otherwise: 'none' },
  ),
  egress: yesNo(
    'Connect to other machines; without it, to none, whatever asks for it.',
    (s) => s.default(true),
    {
      off: 'connect to no other machine, whatever asks for it',
    },
  ),
  allowEgress: list('Without `egress`, connect to these all the same (a database).', (s) => s.default([]), {
    placeholder: 'host:port',
    otherwise: 'none',
  }),
  receipts: yesNo(
    'Note a receipt of every answer in the audit log, not only of those that ask for one.',
    (s) => s.default(false),
  ),
  prices: shaped(
    'Dollars for a million tokens by model, `*` for all others, for budgets and reports.',
    z.record(z.string().min(1), price).default({}),
    {
      rare: true,
      expected: 'input and output of each model, as in {"*": {"input": 0.5, "output": 1.5}}',
      otherwise: 'none: tokens cost nothing',
    },
  ),
  moderation,
  requestLog: yesNo('Write a line of JSON to stderr for each request, but for probes and scrapes.', (s) =>
    s.default(false),
  ),
  logContent: yesNo(
    'Write what is asked and answered too, for projects that turned that on.',
    (s) => s.default(true),
    {
      off: 'log nothing of what is asked and answered, for no project',
    },
  ),
  limits,
  telemetry,
});

export type ServeConfig = z.output<typeof configSchema>;
