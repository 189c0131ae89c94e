/** `steelyard bench`: how fast one model reads prompts and writes answers here. */

import { availableParallelism } from 'node:os';
import { Random } from '@steelyard/graph';
import type { LanguageModel } from '@steelyard/engine';
import type { RegisterCommand } from '../command.ts';
import {
  addCacheOption,
  addExamples,
  addModelOptions,
  modelOptions,
  wholeNumber,
  type ModelFlags,
} from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_INTERRUPTED } from '../errors.ts';
import { measureReadBandwidth } from '../bench/memory-bandwidth.ts';
import { spreadOf, type Spread } from '../bench/statistics.ts';
import { decodeRate } from '../chat/answer-line.ts';
import { collectAnswer, type Answer } from '../chat/conversation.ts';
import { stepBindings, stepCosts } from '../explain/costs.ts';
import { findModel, openModel } from '../models-by-name.ts';
import { formatBytes, formatCount, formatRate, formatTokenRate } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';

interface Flags extends ModelFlags {
  readonly prompt: number;
  readonly generate: number;
  readonly repeat: number;
  readonly bandwidth?: boolean;
  readonly json?: boolean;
}

/** Tokens that a decode measurement starts from. */
const DECODE_PROMPT = 16;

export const registerBench: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('bench [model]')
    .description('prompt (pp) and generation (tg) rates of a model, medians of several runs')
    .option('--prompt <tokens>', 'prompt length of pp', wholeNumber('--prompt', 1, 1e6), 512)
    .option('--generate <tokens>', 'answer length of tg', wholeNumber('--generate', 2, 1e6), 128)
    .option('--repeat <n>', 'runs of each', wholeNumber('--repeat', 1, 1000), 5)
    .option('--bandwidth', 'also measure memory bandwidth, and the rate it would allow')
    .option('--json', 'write an object with every run')
    .action(async (model: string | undefined, flags: Flags) => exit(await bench(model, flags, context)));
  addModelOptions(command);
  addCacheOption(command);
  addExamples(command, [
    'steelyard bench',
    'steelyard bench ./model.gguf --prompt 2048 --generate 64 --repeat 3 --json',
  ]);
};

async function bench(name: string | undefined, flags: Flags, context: CommandContext): Promise<number> {
  const limit = flags.bandwidth ? await measureLimit(name, flags, context) : undefined;
  const model = await openModel(name, { ...modelOptions(flags), speculation: false }, context);
  const stop = new AbortController();
  const release = context.onInterrupt(() => stop.abort());
  try {
    const runs = await measure(model, flags, context, stop.signal);
    if (!runs) return EXIT_INTERRUPTED;
    const result = {
      model: model.info,
      prompt: { tokens: flags.prompt, tokensPerSecond: spreadOf(runs.prompt), runs: runs.prompt },
      generate: { tokens: flags.generate, tokensPerSecond: spreadOf(runs.generate), runs: runs.generate },
      ...(limit ? { bandwidth: limit } : {}),
    };
    if (flags.json) context.printJson(result);
    else print(result, limit, context);
    return 0;
  } finally {
    release();
    await model.dispose();
  }
}

interface Runs {
  readonly prompt: number[];
  readonly generate: number[];
}

/** Undefined when it was stopped. The first round warms up and does not count. */
async function measure(
  model: LanguageModel,
  flags: Flags,
  context: CommandContext,
  signal: AbortSignal,
): Promise<Runs | undefined> {
  const runs: Runs = { prompt: [], generate: [] };
  for (let round = 0; round <= flags.repeat; round++) {
    if (context.stderr.isTTY) context.stderr.write(`\r\u001b[Kround ${round} of ${flags.repeat}`);
    // Fresh tokens each time: a prompt seen before would come from the prefix cache.
    const prompt = await answer(model, randomTokens(model, flags.prompt, 2 * round), 1, signal);
    const generated = await answer(
      model,
      randomTokens(model, DECODE_PROMPT, 2 * round + 1),
      flags.generate,
      signal,
    );
    if (signal.aborted) break;
    if (round === 0) continue;
    runs.prompt.push((flags.prompt / prompt.timing.prefillMs) * 1000);
    runs.generate.push(decodeRate(generated.usage, generated.timing));
  }
  if (context.stderr.isTTY) context.stderr.write('\r\u001b[K');
  return signal.aborted ? undefined : runs;
}

function answer(
  model: LanguageModel,
  prompt: readonly number[],
  maxTokens: number,
  signal: AbortSignal,
): Promise<Answer> {
  const sampling = { temperature: 0 };
  return collectAnswer(
    model.complete(prompt, { maxTokens, ignoreEos: true, sampling, signal }),
    () => undefined,
  );
}

function randomTokens(model: LanguageModel, count: number, seed: number): number[] {
  const random = new Random(seed + 1);
  return Array.from({ length: count }, () => random.int(0, model.info.vocabSize - 1));
}

interface Limit {
  readonly bytesPerSecond: number;
  /** What a decode step must read. */
  readonly bytesPerToken: number;
  readonly tokensPerSecond: number;
}

async function measureLimit(name: string | undefined, flags: Flags, context: CommandContext): Promise<Limit> {
  const { path } = await findModel(name, context);
  const { file, model, pageSize } = await context.services.inspect(path);
  const context_ = DECODE_PROMPT + Math.ceil(flags.generate / 2);
  const { total } = stepCosts(model.graph, stepBindings(1, context_, pageSize));
  file.close();
  const bytesPerSecond = await measureReadBandwidth(flags.threads ?? availableParallelism());
  const bytesPerToken = total.weightBytes + total.stateBytes;
  return { bytesPerSecond, bytesPerToken, tokensPerSecond: bytesPerSecond / bytesPerToken };
}

interface Result {
  readonly model: LanguageModel['info'];
  readonly prompt: { readonly tokens: number; readonly tokensPerSecond: Spread };
  readonly generate: { readonly tokens: number; readonly tokensPerSecond: Spread };
}

function print(result: Result, limit: Limit | undefined, context: CommandContext): void {
  const { style } = context;
  const info = result.model;
  const row = (test: string, { median, min, max }: Spread): string[] => [
    test,
    formatTokenRate(median),
    `${formatTokenRate(min)} to ${formatTokenRate(max)}`,
  ];
  context.print(
    `${style.bold(info.name)}  ${style.dim(`${formatCount(info.parameterCount)} parameters, ${info.quantisation}, on ${info.backend}`)}`,
  );
  context.print(
    renderTable(
      [
        ['test', 'tokens/s', 'spread'].map((title) => style.dim(title)),
        row(`pp${result.prompt.tokens}`, result.prompt.tokensPerSecond),
        row(`tg${result.generate.tokens}`, result.generate.tokensPerSecond),
      ],
      { right: [1] },
    ),
  );
  if (!limit) return;
  const share = (100 * result.generate.tokensPerSecond.median) / limit.tokensPerSecond;
  context.print(
    `memory reads at ${formatRate(limit.bytesPerSecond)}; a token reads ${formatBytes(limit.bytesPerToken)}: ` +
      `at most ${formatTokenRate(limit.tokensPerSecond)} tokens/s, of which tg reaches ${share.toFixed(0)}%`,
  );
}
