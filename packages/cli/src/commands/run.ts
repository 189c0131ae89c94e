/** `steelyard run`: one prompt, one answer, for pipes. Only the answer goes to stdout. */

import type { LanguageModel } from '@steelyard/engine';
import type { RegisterCommand } from '../command.ts';
import {
  addExamples,
  addGenerationOptions,
  addModelOptions,
  modelOptions,
  samplingOptions,
  type GenerationFlags,
  type ModelFlags,
} from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_INTERRUPTED, UsageError } from '../errors.ts';
import { decodeRate } from '../chat/answer-line.ts';
import { collectAnswer, type Answer } from '../chat/conversation.ts';
import { showAnswer } from '../chat/show-answer.ts';
import { openModel } from '../models-by-name.ts';
import { readStdin } from '../read-stdin.ts';

interface Flags extends ModelFlags, GenerationFlags, Readonly<Record<string, unknown>> {
  readonly model?: string;
  readonly raw?: boolean;
  readonly json?: boolean;
}

export const registerRun: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('run [model] [prompt...]')
    .description('answer one prompt; text piped in is added to it, and only the answer goes to stdout')
    .option('-m, --model <model>', 'the model; all arguments are then the prompt')
    .option('--raw', 'continue the text as it is, without the chat template')
    .option('--json', 'write an object with text, usage and timing')
    .action(async (model: string | undefined, prompt: string[], flags: Flags) => {
      exit(await run([...(model === undefined ? [] : [model]), ...prompt], flags, context));
    });
  addGenerationOptions(command);
  addModelOptions(command);
  addExamples(command, [
    'steelyard run "Name three rivers."                      # the default model',
    'steelyard run smollm2-135m-instruct Say hello',
    'cat notes.txt | steelyard run "Summarise this:" --max-tokens 100',
    'steelyard run ./model.gguf --raw "Once upon a time" --temperature 0',
    'steelyard run --json "Hi" | jq .usage',
  ]);
};

async function run(args: readonly string[], flags: Flags, context: CommandContext): Promise<number> {
  const sampling = samplingOptions(flags);
  const { name, words } = splitArguments(args, flags.model);
  const piped = await readStdin(context.stdin);
  const prompt = joinPrompt(words.join(' '), piped);
  if (flags.raw && flags.system !== undefined)
    throw new UsageError('--raw has no place for --system; give one of them');
  const model = await openModel(name, modelOptions(flags), context);
  const stop = new AbortController();
  const release = context.onInterrupt(() => stop.abort());
  try {
    const options = {
      sampling,
      signal: stop.signal,
      parseReply: true,
      ...(flags.maxTokens === undefined ? {} : { maxTokens: flags.maxTokens }),
      ...(flags.stop ? { stop: flags.stop } : {}),
    };
    const system = flags.system === undefined ? [] : [{ role: 'system', content: flags.system }];
    const events = flags.raw
      ? model.complete(prompt, options)
      : model.chat([...system, { role: 'user', content: prompt }], options);
    const answer = await collectAnswer(events, flags.json ? () => undefined : showAnswer(context));
    if (flags.json) context.printJson(jsonAnswer(model, answer));
    else if (!answer.text.endsWith('\n')) context.print();
    return stop.signal.aborted ? EXIT_INTERRUPTED : 0;
  } finally {
    release();
    await model.dispose();
  }
}

/**
 * `run MODEL PROMPT...`; but words that can be no name, such as a quoted sentence alone, are all prompt, for the
 * default model.
 */
export function splitArguments(
  args: readonly string[],
  model: string | undefined,
): { readonly name: string | undefined; readonly words: readonly string[] } {
  if (model !== undefined) return { name: model, words: args };
  const [first, ...rest] = args;
  if (first === undefined || (rest.length === 0 && /\s/.test(first))) return { name: undefined, words: args };
  return { name: first, words: rest };
}

/** The prompt, then what was piped in, a blank line between. @throws UsageError when there is neither */
export function joinPrompt(words: string, piped: string | undefined): string {
  const parts = [words, piped?.replace(/\r?\n$/, '') ?? ''].filter((part) => part.trim() !== '');
  if (parts.length === 0)
    throw new UsageError('there is no prompt; write one after the model, or pipe text in');
  return parts.join('\n\n');
}

function jsonAnswer(model: LanguageModel, answer: Answer): Record<string, unknown> {
  const rate = decodeRate(answer.usage, answer.timing);
  return {
    model: model.info.name,
    text: answer.text,
    ...(answer.reasoning && { reasoning: answer.reasoning }),
    finishReason: answer.reason,
    usage: answer.usage,
    timing: { ...answer.timing, tokensPerSecond: Number.isNaN(rate) ? null : rate },
  };
}
