/** Rendered prompts against transformers' apply_chat_template, and what happens without a usable template. */

import { FormatError, RequestError } from '@steelyard/core';
import { describe, expect, it } from 'vitest';
import {
  chatTemplateFromGguf,
  chatTemplateFromJson,
  requireChatTemplate,
  type ChatMessage,
  type MetadataLike,
} from '../src/index.ts';
import { golden } from './goldens.ts';

interface TemplateGolden {
  templates: Record<string, string>;
  conversations: Record<
    string,
    { messages: ChatMessage[]; tools?: unknown[]; variables?: Record<string, unknown> }
  >;
  cases: {
    template: string;
    conversation: string;
    addGenerationPrompt: boolean;
    text?: string;
    error?: string;
  }[];
}

const { templates, conversations, cases } = golden<TemplateGolden>('chat-templates');
const config = { bos_token: '<s>', eos_token: { content: '</s>', special: true } };
const user: ChatMessage[] = [{ role: 'user', content: 'hi' }];

function withTemplate(chat_template: unknown) {
  return chatTemplateFromJson({ ...config, chat_template })!;
}

describe('chat templates against transformers', () => {
  it.each(cases)('$template, $conversation, prompt $addGenerationPrompt', (entry) => {
    const { messages, tools, variables } = conversations[entry.conversation]!;
    const template = withTemplate(templates[entry.template]!);
    const render = () =>
      template.render(messages, {
        addGenerationPrompt: entry.addGenerationPrompt,
        ...(tools ? { tools } : {}),
        ...(variables ? { variables } : {}),
      });
    if (entry.error === undefined) expect(render()).toBe(entry.text);
    else expect(render).toThrow(entry.error);
  });
});

describe('chat template sources', () => {
  it('prefers the template file, and the tool template where tools are given', () => {
    const named = [
      { name: 'default', template: 'plain' },
      { name: 'tool_use', template: 'tools {{ tools[0].name }}' },
    ];
    expect(withTemplate(named).render(user)).toBe('plain');
    expect(withTemplate(named).render(user, { tools: [{ name: 'f' }] })).toBe('tools f');
    expect(withTemplate(named).render(user, { tools: [] })).toBe('plain');
    expect(chatTemplateFromJson({ chat_template: named }, 'file')!.render(user, { tools: [{}] })).toBe(
      'file',
    );
    expect(chatTemplateFromJson(undefined, 'file')!.source).toBe('file');
    expect(() => withTemplate([{ name: 'rag', template: 'x' }])).toThrow(/rag.*"default"/);
    expect(() => withTemplate(7)).toThrow(FormatError);
  });

  it('reads GGUF metadata', () => {
    const metadata = new Map<string, MetadataLike>([
      ['tokenizer.chat_template', '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}'],
      ['tokenizer.ggml.tokens', ['<a>', '<b>']],
      ['tokenizer.ggml.bos_token_id', 1],
      ['tokenizer.ggml.eos_token_id', 0],
    ]);
    expect(chatTemplateFromGguf(metadata)!.render(user)).toBe('<b>hi<a>');
    expect(() => chatTemplateFromGguf(new Map([['tokenizer.chat_template', 3]]))).toThrow(
      /tokenizer.chat_template/,
    );
  });

  it('says what to do without a template', () => {
    expect(chatTemplateFromJson({})).toBeUndefined();
    expect(chatTemplateFromJson(undefined)).toBeUndefined();
    expect(chatTemplateFromGguf(new Map())).toBeUndefined();
    expect(() => requireChatTemplate(undefined, 'gpt2')).toThrow(/gpt2 has no chat template/);
    expect(() => requireChatTemplate(undefined, 'gpt2')).toThrow(RequestError);
  });
});

describe('templates that fail', () => {
  it('passes on a refusal in its own words, as a request error', () => {
    const template = withTemplate("{{ raise_exception('only ' + messages[0].role) }}");
    expect(() => template.render(user)).toThrow(RequestError);
    expect(() => template.render(user)).toThrow(/only user/);
  });

  it('reports what is not Jinja as a format error', () => {
    expect(() => withTemplate('{% for x in %}').render(user)).toThrow(FormatError);
    expect(() => withTemplate('{{ messages').render(user)).toThrow(/not valid Jinja/);
  });

  it('reports a fault while rendering as a request error', () => {
    expect(() => withTemplate('{{ messages | nosuchfilter }}').render(user)).toThrow(RequestError);
  });
});

describe('messages', () => {
  const parts: ChatMessage[] = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'one' },
        { type: 'text', text: 'two' },
      ],
    },
  ];

  it('joins text parts for templates that read text', () => {
    expect(withTemplate('{{ messages[0].content }}').render(parts)).toBe('one\ntwo');
  });

  it('keeps parts, and makes them of text, for templates that read only parts', () => {
    const template = withTemplate(
      "{% for p in messages[0].content %}{% if p.type == 'text' %}<{{ p.text }}>{% endif %}{% endfor %}",
    );
    expect(template.render(parts)).toBe('<one><two>');
    expect(template.render(user)).toBe('<hi>');
  });

  it('gives tool arguments as objects, and leaves text that is none', () => {
    const template = withTemplate('{{ messages[0].tool_calls[0].function.arguments | tojson }}');
    const call = (args: string): ChatMessage[] => [
      { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: args } }] },
    ];
    expect(template.render(call('{"a":[1,"é"]}'))).toBe('{"a": [1, "é"]}');
    expect(template.render(call('{"a":'))).toBe('"{\\"a\\":"');
  });

  it('shows templates null tools and an empty text for missing content', () => {
    const template = withTemplate(
      '{{ tools is none }} {{ messages[0].content == "" }} {{ documents is none }}',
    );
    expect(template.render([{ role: 'user', content: null }]).toLowerCase()).toBe('true true true');
  });

  it('does not let variables replace the messages', () => {
    expect(withTemplate('{{ messages[0].content }}').render(user, { variables: { messages: [] } })).toBe(
      'hi',
    );
  });
});
