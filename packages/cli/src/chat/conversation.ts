/** A conversation's state and the requests it makes; nothing here knows of terminals. */

import { RequestError } from '@steelyard/core';
import type {
  FinishReason,
  GenerateEvent,
  LanguageModel,
  SamplingOptions,
  Timing,
  Usage,
} from '@steelyard/engine';

export interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** What `/save` writes. */
export interface SavedConversation {
  readonly model: string;
  readonly system: string | undefined;
  readonly messages: readonly Message[];
}

/** Told of each piece as it comes: of the answer, or of the thoughts ahead of it. */
export type Show = (text: string, kind: 'text' | 'reasoning') => unknown;

export interface Answer {
  readonly text: string;
  /** Thoughts ahead of it, where the model marks them; no part of the conversation. */
  readonly reasoning: string;
  readonly reason: FinishReason;
  readonly usage: Usage;
  readonly timing: Timing;
}

export interface ConversationSettings {
  readonly system?: string | undefined;
  readonly sampling: SamplingOptions;
  readonly maxTokens?: number | undefined;
  readonly stop?: readonly string[] | undefined;
}

export class Conversation {
  model: LanguageModel;
  system: string | undefined;
  sampling: SamplingOptions;
  maxTokens: number | undefined;
  stop: readonly string[];
  #messages: Message[] = [];

  constructor(model: LanguageModel, settings: ConversationSettings) {
    this.model = model;
    this.system = settings.system;
    this.sampling = settings.sampling;
    this.maxTokens = settings.maxTokens;
    this.stop = settings.stop ?? [];
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  clear(): void {
    this.#messages = [];
  }

  /**
   * Adds a message and streams its answer to `show`. A stopped answer is kept as far as it came; after an
   * error the message is taken back, so that it may be sent again.
   */
  async ask(text: string, show: Show, signal?: AbortSignal): Promise<Answer> {
    const before = this.#messages;
    this.#messages = [...before, { role: 'user', content: text }];
    try {
      return await this.#answer(show, signal);
    } catch (error) {
      this.#messages = before;
      throw error;
    }
  }

  /** Answers the last message again. @throws RequestError when there is none */
  async regenerate(show: Show, signal?: AbortSignal): Promise<Answer> {
    const before = this.#messages;
    const last = before.findLastIndex((message) => message.role === 'user');
    if (last < 0) throw new RequestError('there is no message to answer again; write one first');
    this.#messages = before.slice(0, last + 1);
    try {
      return await this.#answer(show, signal);
    } catch (error) {
      this.#messages = before;
      throw error;
    }
  }

  toJSON(): SavedConversation {
    return { model: this.model.info.name, system: this.system, messages: this.#messages };
  }

  /** Takes system text and messages of a saved conversation; the model stays. @throws RequestError when it is none */
  restore(saved: unknown): void {
    const { system, messages } = checkSaved(saved);
    this.system = system;
    this.#messages = [...messages];
  }

  async #answer(show: Show, signal?: AbortSignal): Promise<Answer> {
    const system = this.system ? [{ role: 'system', content: this.system }] : [];
    const events = this.model.chat([...system, ...this.#messages], {
      sampling: this.sampling,
      parseReply: true,
      ...(this.maxTokens === undefined ? {} : { maxTokens: this.maxTokens }),
      ...(this.stop.length ? { stop: this.stop } : {}),
      ...(signal ? { signal } : {}),
    });
    const answer = await collectAnswer(events, show);
    // An answer stopped before its first word would only confuse the model's next turn.
    if (answer.text || answer.reason !== 'abort') {
      this.#messages = [...this.#messages, { role: 'assistant', content: answer.text }];
    }
    return answer;
  }
}

/** Reads a request's events to the end. */
export async function collectAnswer(events: AsyncIterable<GenerateEvent>, show: Show): Promise<Answer> {
  const said = { text: '', reasoning: '' };
  let finish: Extract<GenerateEvent, { type: 'finish' }> | undefined;
  for await (const event of events) {
    if ((event.type === 'text' || event.type === 'reasoning') && event.text) {
      said[event.type] += event.text;
      await show(event.text, event.type);
    } else if (event.type === 'finish') finish = event;
  }
  if (!finish) throw new Error('the answer ended without a finish event');
  return { ...said, reason: finish.reason, usage: finish.usage, timing: finish.timing };
}

function checkSaved(saved: unknown): { system: string | undefined; messages: Message[] } {
  const { system, messages } = (saved ?? {}) as { system?: unknown; messages?: unknown };
  if (system !== undefined && system !== null && typeof system !== 'string') {
    throw new RequestError(
      'the saved conversation has a system text that is not text; was the file changed?',
    );
  }
  if (!Array.isArray(messages)) {
    throw new RequestError('the file holds no conversation: no list `messages`; it must come from /save');
  }
  return { system: system ?? undefined, messages: messages.map(checkMessage) };
}

function checkMessage(message: unknown, at: number): Message {
  const { role, content } = (message ?? {}) as { role?: unknown; content?: unknown };
  if ((role !== 'user' && role !== 'assistant') || typeof content !== 'string') {
    throw new RequestError(
      `message ${at} of the saved conversation must have role user or assistant, and text`,
    );
  }
  return { role, content };
}
