/** A model that people can use: tokenizer, template and engine behind one interface. */

import type { ChatMessage, ChatTemplate, Tokenizer } from '@steelyard/text';
import { chatPrompt } from './chat-prompt.ts';
import type { Engine } from './engine.ts';
import type {
  ChatOptions,
  EngineStats,
  GenerateEvent,
  GenerateOptions,
  LanguageModel,
  ModelInfo,
} from './types.ts';

export interface LanguageModelParts {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate | undefined;
  readonly engine: Engine;
  /** Runs after the engine is gone: closes files, disposes the backend. */
  readonly onDispose: () => void;
}

export function createLanguageModel(parts: LanguageModelParts): LanguageModel {
  const { info, tokenizer, template, engine, onDispose } = parts;
  return {
    info,
    async *chat(messages: readonly ChatMessage[], options: ChatOptions = {}): AsyncGenerator<GenerateEvent> {
      yield* engine.generate(chatPrompt(tokenizer, template, info.name, messages, options), options);
    },
    async *complete(
      prompt: string | readonly number[],
      options: GenerateOptions = {},
    ): AsyncGenerator<GenerateEvent> {
      yield* engine.generate(typeof prompt === 'string' ? tokenizer.encode(prompt) : prompt, options);
    },
    tokenize: (text, options) => tokenizer.encode(text, options),
    detokenize: (ids) => tokenizer.decode(ids),
    stats: (): EngineStats => engine.stats(),
    async dispose() {
      await engine.dispose();
      onDispose();
    },
  };
}
