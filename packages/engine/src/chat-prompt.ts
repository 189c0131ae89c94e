/**
 * From messages to the token ids of a prompt. The template writes the special tokens, bos among them, so the
 * tokenizer adds none. What people write is text and nothing else: where a message or a tool spells a special token, it is
 * rendered as a placeholder that templates cannot tell from a word, and put back as ordinary text. Only then is the
 * prompt encoded in sections around the template's own special tokens; all other prompts are encoded in one go.
 */

import { RequestError } from '@steelyard/core';
import {
  answerSyntax,
  requireChatTemplate,
  type ChatMessage,
  type ChatTemplate,
  type Tokenizer,
} from '@steelyard/text';
import type { ChatOptions } from './types.ts';

/** Private-use characters around a number: no template writes them. */
const PLACEHOLDER = /\ue0f0(\d+)\ue0f1/g;

export class ChatPrompt {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | undefined;
  readonly #model: string;
  #special: RegExp | undefined;

  /** @param model name, for messages */
  constructor(tokenizer: Tokenizer, template: ChatTemplate | undefined, model: string) {
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#model = model;
  }

  /**
   * @param limit tokens that are of use; see `EncodeOptions`
   * @throws RequestError when there is no template or it refuses the messages
   */
  encode(messages: readonly ChatMessage[], options: ChatOptions = {}, limit = Infinity): number[] {
    const template = requireChatTemplate(this.#template, this.#model);
    const hidden: string[] = [];
    const prompt = template.render(this.#safe(messages, hidden), {
      addGenerationPrompt: true,
      ...(options.tools && { tools: this.#safe(options.tools, hidden) }),
      variables: { ...effortVariables(this.#model, template, options), ...options.templateVariables },
    });
    const text = prompt + this.#begun(template, prompt, options, hidden);
    if (hidden.length > 0) return this.#encodeSections(text, hidden, limit);
    return this.#tokenizer.encode(text, { addSpecial: false, parseSpecial: true, limit });
  }

  /** The answer's beginning, behind thoughts that the prompt has opened. */
  #begun(template: ChatTemplate, prompt: string, options: ChatOptions, hidden: string[]): string {
    const { answerPrefix = '', constraint, toolChoice } = options;
    if (answerPrefix === '') return '';
    if (constraint || toolChoice) {
      throw new RequestError(
        'an answer that is begun already cannot be held to a schema or made a call; leave its beginning out',
        'messages',
      );
    }
    const { thoughts, before = '' } = answerSyntax(template)?.answer ?? {};
    const thinks = thoughts && prompt.trimEnd().endsWith(thoughts.open);
    const opened = (thinks ? thoughts.close + thoughts.then : '') + before;
    return opened + this.#hide(answerPrefix, hidden);
  }

  #safe<T>(values: readonly T[], hidden: string[]): readonly T[] {
    return mapStrings(values, (text) => this.#hide(text, hidden)) as readonly T[];
  }

  /** Text with its special tokens replaced by placeholders, which are numbered by their place in `hidden`. */
  #hide(text: string, hidden: string[]): string {
    const hide = (token: string): string => `\ue0f0${hidden.push(token) - 1}\ue0f1`;
    // What looks like a placeholder already is hidden too, so that every placeholder is ours.
    return text.replace(PLACEHOLDER, hide).replace(this.#specialTokens(), hide);
  }

  #encodeSections(text: string, hidden: readonly string[], limit: number): number[] {
    const restore = (_: string, index: string): string => hidden[Number(index)] ?? '';
    const ids: number[] = [];
    // The pattern has one group, so every second piece is a special token.
    for (const [i, piece] of text.split(this.#specialTokens()).entries()) {
      const special = i % 2 === 1 ? this.#tokenizer.id(piece) : undefined;
      if (special === undefined) {
        const plain = piece.replace(PLACEHOLDER, restore);
        const own = this.#tokenizer.encode(plain, { addSpecial: false, parseSpecial: false, limit });
        for (const id of own) ids.push(id);
      } else ids.push(special);
      if (ids.length > limit) break;
    }
    return ids;
  }

  /** Any special token, the longest first; made once, since vocabularies are large. */
  #specialTokens(): RegExp {
    if (this.#special) return this.#special;
    const tokens: string[] = [];
    for (let id = 0; id < this.#tokenizer.vocabSize; id++) {
      const token = this.#tokenizer.isSpecial(id) ? this.#tokenizer.token(id) : undefined;
      if (token) tokens.push(token);
    }
    const longestFirst = tokens.sort((a, b) => b.length - a.length).map(escape);
    // Matches nothing when there are none.
    this.#special = new RegExp(longestFirst.length > 0 ? `(${longestFirst.join('|')})` : '([])', 'g');
    return this.#special;
  }
}

const EFFORTS = ['low', 'medium', 'high'];

/** Templates take an effort (gpt-oss) or a switch (Qwen 3, SmolLM 3). */
function effortVariables(
  model: string,
  { source }: ChatTemplate,
  { reasoningEffort: effort }: ChatOptions,
): Readonly<Record<string, unknown>> {
  if (effort === undefined) return {};
  const takesEffort = source.includes('reasoning_effort');
  if (takesEffort && EFFORTS.includes(effort)) return { reasoning_effort: effort };
  if (!takesEffort && source.includes('enable_thinking')) return { enable_thinking: effort !== 'none' };
  // A model that does not reason does what is asked.
  if (!takesEffort && effort === 'none') return {};
  const expected = takesEffort ? EFFORTS.join(', ') : 'none, for its chat template knows no efforts';
  throw new RequestError(`reasoning effort is '${effort}'; ${model} takes ${expected}`, 'reasoning_effort');
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** A copy of a JSON value with every string (not keys) replaced. */
function mapStrings(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === 'string') return replace(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, replace));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, replace)]));
}
