/** A model that people can use: tokenizer, template and engine behind one interface. */

import { RequestError } from '@steelyard/core';
import { infill, type ChatTemplate, type Tokenizer } from '@steelyard/text';
import { PROMPT_END } from './answer.ts';
import { ChatPrompt } from './chat-prompt.ts';
import type { Engine } from './engine.ts';
import { planReply } from './reply-plan.ts';
import type { LanguageModel, ModelInfo, ModelOrigin } from './types.ts';

export interface LanguageModelParts {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  /** Absent for base models. */
  readonly template: ChatTemplate | undefined;
  readonly engine: Engine;
  readonly origin?: () => Promise<ModelOrigin>;
  /** Runs once, after the engine is gone: closes files, disposes the backend. */
  readonly onDispose: () => void;
}

export function createLanguageModel(parts: LanguageModelParts): LanguageModel {
  const { info, tokenizer, template, engine, origin, onDispose } = parts;
  const chatPrompt = new ChatPrompt(tokenizer, template, info.name);
  // What is longer is refused, however long it is.
  const limit = info.contextLength;
  let disposed: Promise<void> | undefined;
  return {
    info,
    chat: (messages, options = {}) =>
      engine.generate(() => {
        const ids = chatPrompt.encode(messages, options, limit);
        const end = tokenizer.decode(ids.slice(-PROMPT_END), { skipSpecial: false });
        return { ids, options: { ...options, ...planReply(info.name, template, options, end) } };
      }),
    complete: (prompt, options = {}) =>
      engine.generate(() => ({
        ids: typeof prompt === 'string' ? tokenizer.encode(prompt, { limit }) : prompt,
        options,
      })),
    countTokens(messages, options = {}) {
      const { length } = chatPrompt.encode(messages, options, limit);
      if (length <= limit) return length;
      throw new RequestError(
        `the messages take more than the ${limit} tokens of the model's context; shorten them`,
        'messages',
      );
    },
    tokenize: (text, options) => tokenizer.encode(text, { ...options, limit }),
    detokenize: (ids, options) => tokenizer.decode(ids, options),
    infill: (before, after) => infill(tokenizer, before, after),
    stats: () => engine.stats(),
    ...(origin && { origin }),
    dispose() {
      disposed ??= engine.dispose().then(onDispose);
      return disposed;
    },
  };
}
