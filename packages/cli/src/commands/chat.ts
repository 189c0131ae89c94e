/** `steelyard chat`: a conversation on the terminal, or one message from a pipe. */

import type { Command } from 'commander';
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
import { openModel } from '../models-by-name.ts';
import { readStdin } from '../read-stdin.ts';
import { answerLine } from '../chat/answer-line.ts';
import { Conversation } from '../chat/conversation.ts';
import { showAnswer } from '../chat/show-answer.ts';
import { InteractiveChat } from '../chat/interactive.ts';

type Flags = ModelFlags & GenerationFlags & Readonly<Record<string, unknown>>;

export const registerChat: RegisterCommand = (program, context, exit) => {
  const command: Command = program
    .command('chat [model]')
    .description('talk with a model; without MODEL the default one, pulled when absent')
    .action(async (model: string | undefined, flags: Flags) => exit(await chat(model, flags, context)));
  addGenerationOptions(command);
  addModelOptions(command);
  addExamples(command, [
    'steelyard chat',
    'steelyard chat --system "Answer in French." --temperature 0.7',
    'steelyard chat ./model.gguf',
    'echo "Why is the sky blue?" | steelyard chat',
  ]);
};

async function chat(name: string | undefined, flags: Flags, context: CommandContext): Promise<number> {
  const sampling = samplingOptions(flags);
  const open = (which: string | undefined) => openModel(which, modelOptions(flags), context);
  const interactive = context.stdin.isTTY === true && context.stdout.isTTY === true;
  const message = interactive ? undefined : await readMessage(context);
  const conversation = new Conversation(await open(name), {
    system: flags.system,
    sampling,
    maxTokens: flags.maxTokens,
    stop: flags.stop,
  });
  try {
    if (message === undefined) return await new InteractiveChat(context, conversation, open).run();
    return await answerOnce(conversation, message, context);
  } finally {
    await conversation.model.dispose();
  }
}

async function readMessage(context: CommandContext): Promise<string> {
  const text = (await readStdin(context.stdin)) ?? '';
  if (!text.trim()) throw new UsageError('stdin is empty; pipe a message in, or run it on a terminal');
  return text.replace(/\r?\n$/, '');
}

async function answerOnce(
  conversation: Conversation,
  message: string,
  context: CommandContext,
): Promise<number> {
  const stop = new AbortController();
  const release = context.onInterrupt(() => stop.abort());
  try {
    const answer = await conversation.ask(message, showAnswer(context), stop.signal);
    context.print();
    context.note(context.errorStyle.dim(answerLine(answer)));
    return stop.signal.aborted ? EXIT_INTERRUPTED : 0;
  } finally {
    release();
  }
}
