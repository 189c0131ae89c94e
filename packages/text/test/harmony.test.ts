/** Prompts of gpt-oss against what OpenAI's own package renders, token for token. */

import { RequestError } from '@steelyard/core';
import { Tiktoken } from 'js-tiktoken/lite';
import o200k from 'js-tiktoken/ranks/o200k_base';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ChatMessage } from '../src/chat-template-types.ts';
import { chatTemplateFromJson } from '../src/chat-template.ts';
import { HarmonyTemplate } from '../src/harmony/harmony-template.ts';

interface Case {
  readonly name: string;
  readonly date: string;
  readonly effort?: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
}

const folder = new URL('../../../tests/golden/harmony/', import.meta.url);
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
const cases = read('conversations.json') as readonly Case[];
const { rendered } = read('rendered.json') as {
  rendered: Record<string, { text: string; tokens: readonly number[] }>;
};

const special: Record<string, number> = {
  '<|return|>': 200002,
  '<|constrain|>': 200003,
  '<|channel|>': 200005,
  '<|start|>': 200006,
  '<|end|>': 200007,
  '<|message|>': 200008,
  '<|call|>': 200012,
};
const tokenizer = new Tiktoken(o200k, special);
const encode = (text: string): number[] => tokenizer.encode(text, Object.keys(special));

describe('harmony prompts', () => {
  it.each(cases)('$name', ({ name, date, effort, messages, tools }) => {
    const template = new HarmonyTemplate('', () => new Date(`${date}T12:00:00`));
    const text = template.render(messages, {
      ...(tools && { tools }),
      ...(effort && { variables: { reasoning_effort: effort } }),
    });
    expect(text).toBe(rendered[name]?.text);
    expect(encode(text)).toEqual(rendered[name]?.tokens);
  });

  it('are those of models whose template has the format', () => {
    const template = chatTemplateFromJson({}, '{{- "<|start|>system<|message|>" }}{{- "<|channel|>final" }}');
    expect(template?.render([{ role: 'user', content: 'Hi' }])).toMatch(/user<\|message\|>Hi<\|end\|>/);
  });

  it('refuse what they have no place for', () => {
    const render =
      (message: ChatMessage, variables = {}) =>
      () =>
        new HarmonyTemplate('').render([message], { variables });
    expect(render({ role: 'tool', content: '20' })).toThrow(RequestError);
    expect(render({ role: 'critic', content: 'no' })).toThrow(/role "critic"/);
    expect(render({ role: 'user', content: [{ type: 'image_url' }] })).toThrow(/"image_url".*reads text/);
    expect(render({ role: 'user', content: 'Hi' }, { enable_thinking: true })).toThrow(/enable_thinking/);
  });
});
