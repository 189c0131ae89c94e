/**
 * How a model marks reasoning and tool calls in what it writes: sections between marks, around them content. Which
 * sections a model has is read off its chat template, which writes the same marks for turns of the past.
 */

import type { ChatTemplate } from '../chat-template-types.ts';
import { isHarmony } from '../harmony/harmony-template.ts';
import { harmonyMessage } from '../harmony/harmony-message.ts';
import { scanEither, scanJsonCalls, scanNamed, type CallScanner } from './call-scanner.ts';
import { describesTools } from './described-tools.ts';
import { readPythonCalls } from './python-calls.ts';
import {
  either,
  readActions,
  readDeepseekCalls,
  readJsonCalls,
  readMistralCalls,
  type ReadCalls,
} from './read-calls.ts';
import { readXmlCalls } from './xml-calls.ts';

export interface ReplySection {
  /** A `header` says what the section behind it is. */
  readonly kind: 'reasoning' | 'content' | 'calls' | 'header';
  readonly open: string;
  /** Absent where the section lasts to the end of the answer. */
  readonly close?: string;
  /** Only at the answer's beginning, and then the mark is part of the text. */
  readonly leads?: boolean;
  /** Of `calls`. */
  readonly read?: ReadCalls;
  /** Of `calls` that can be told while they are written. */
  readonly scan?: () => CallScanner;
  /** Of `header`: what follows, by its text with the mark that opens it. */
  readonly next?: (header: string) => ReplySection;
  /** The end of a prompt that has opened the section; default `open`. */
  readonly prompt?: string;
}

/** How one call is written: JSON between texts, in which special tokens are spelled out. */
export interface CallSyntax {
  /** `{name}` stands for the tool's name, where the JSON is the arguments alone. */
  readonly before: string;
  readonly after: string;
  /** Keys of name and arguments, where the JSON has both; and what stands before them in it. */
  readonly keys?: {
    readonly name: 'name' | 'tool_name';
    readonly arguments: 'arguments' | 'parameters';
    readonly first?: Readonly<Record<string, string>>;
  };
}

/** How thoughts and an answer follow each other, in texts in which special tokens are spelled out. */
export interface AnswerSyntax {
  /** `then`: between thoughts and what follows, be it an answer or a call. */
  readonly thoughts: { readonly open: string; readonly close: string; readonly then: string };
  /** Around the answer. */
  readonly before: string;
  readonly after: string;
}

export interface ReplyFormat {
  readonly sections: readonly ReplySection[];
  /** Other tokens within sections that must stay in the text, special or not. */
  readonly marks?: readonly string[];
  /** Tools that were offered. */
  readonly tools?: readonly unknown[];
  /** Thoughts come first if at all; what follows is one answer or call to the end, whatever it spells. */
  readonly single?: boolean;
}

interface Syntax {
  /** Whether a template's text is of this syntax. */
  readonly matches: (template: string) => boolean;
  readonly format: ReplyFormat;
  readonly call?: CallSyntax;
  readonly answer?: AnswerSyntax;
}

const has = (mark: string) => (template: string) => template.includes(mark);

/** gpt-oss: messages with a header each, the first of which the prompt has begun. */
const harmony: Syntax = {
  matches: isHarmony,
  format: {
    sections: [
      {
        kind: 'header',
        open: '<|start|>',
        close: '<|message|>',
        prompt: '<|start|>assistant',
        next: harmonyMessage,
      },
      { kind: 'header', open: '<|channel|>', close: '<|message|>', next: harmonyMessage },
    ],
    marks: ['<|end|>'],
  },
  answer: {
    thoughts: { open: '<|channel|>analysis<|message|>', close: '<|end|>', then: '<|start|>assistant' },
    before: '<|channel|>final<|message|>',
    after: '',
  },
  call: {
    before: '<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>',
    after: '',
  },
};

const reasoning: readonly Syntax[] = [
  harmony,
  {
    // DeepSeek R1, Qwen 3, SmolLM 3.
    matches: has('</think>'),
    format: { sections: [{ kind: 'reasoning', open: '<think>', close: '</think>' }] },
    answer: { thoughts: { open: '<think>', close: '</think>', then: '\n\n' }, before: '', after: '' },
  },
  {
    // Command R7B and A.
    matches: has('<|START_THINKING|>'),
    format: {
      sections: [
        { kind: 'reasoning', open: '<|START_THINKING|>', close: '<|END_THINKING|>' },
        { kind: 'content', open: '<|START_RESPONSE|>', close: '<|END_RESPONSE|>' },
      ],
    },
    answer: {
      thoughts: { open: '<|START_THINKING|>', close: '<|END_THINKING|>', then: '' },
      before: '<|START_RESPONSE|>',
      after: '<|END_RESPONSE|>',
    },
  },
];

const scanMistral = () =>
  scanEither(
    scanJsonCalls(),
    scanNamed(/^\s*(?:\[TOOL_CALLS\]\s*)?([^\s[\]]+)(?:\[CALL_ID\][^[\]]*)?\[ARGS\]\s*(?=\{)/),
  );

/** With the type `function` the name stands before a block of code, without it before the mark. */
const scanDeepseek = () =>
  scanNamed(
    /<｜tool▁call▁begin｜>\s*(?:function\s*<｜tool▁sep｜>([^\n]*)\n```json\n|(?!function\s*<)([^<]*)<｜tool▁sep｜>)\s*(?=\{)/,
  );

const mistralCalls: ReplyFormat = {
  sections: [{ kind: 'calls', open: '[TOOL_CALLS]', read: readMistralCalls, scan: scanMistral }],
  marks: ['[ARGS]', '[CALL_ID]'],
};

const bareJson: CallSyntax = {
  before: '',
  after: '',
  keys: { name: 'name', arguments: 'parameters' },
};

const toolCalls: readonly Syntax[] = [
  // Its messages are told apart with or without tools.
  { ...harmony, format: { sections: [] } },
  {
    // Qwen3-Coder.
    matches: (template) => template.includes('<tool_call>') && template.includes('<function='),
    format: {
      sections: [{ kind: 'calls', open: '<tool_call>', close: '</tool_call>', read: readXmlCalls }],
    },
  },
  {
    // Hermes, Qwen 2.5 and 3. GLM writes XML between the same marks.
    matches: (template) => template.includes('<tool_call>') && !template.includes('<arg_key>'),
    format: {
      sections: [
        {
          kind: 'calls',
          open: '<tool_call>',
          close: '</tool_call>',
          read: readJsonCalls,
          scan: scanJsonCalls,
        },
      ],
    },
    call: {
      before: '<tool_call>\n',
      after: '\n</tool_call>',
      keys: { name: 'name', arguments: 'arguments' },
    },
  },
  {
    // Mistral's since 2025.
    matches: (template) => template.includes('[TOOL_CALLS]') && template.includes('[ARGS]'),
    format: mistralCalls,
    call: { before: '[TOOL_CALLS]{name}[ARGS]', after: '' },
  },
  {
    matches: has('[TOOL_CALLS]'),
    format: mistralCalls,
    call: { before: '[TOOL_CALLS] [', after: ']', keys: { name: 'name', arguments: 'arguments' } },
  },
  {
    matches: has('<|START_ACTION|>'),
    format: {
      sections: [
        {
          kind: 'calls',
          open: '<|START_ACTION|>',
          close: '<|END_ACTION|>',
          read: readJsonCalls,
          scan: scanJsonCalls,
        },
      ],
    },
    call: {
      before: '<|START_ACTION|>[\n    ',
      after: '\n]<|END_ACTION|>',
      keys: { name: 'tool_name', arguments: 'parameters', first: { tool_call_id: '0' } },
    },
  },
  {
    // DeepSeek V3 and R1.
    matches: has('<｜tool▁calls▁begin｜>'),
    format: {
      sections: [
        {
          kind: 'calls',
          open: '<｜tool▁calls▁begin｜>',
          close: '<｜tool▁calls▁end｜>',
          read: readDeepseekCalls,
          scan: scanDeepseek,
        },
      ],
      marks: ['<｜tool▁call▁begin｜>', '<｜tool▁sep｜>', '<｜tool▁call▁end｜>'],
    },
    call: {
      before: '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n',
      after: '\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    },
  },
  {
    // Jamba.
    matches: has('<tool_calls>'),
    format: {
      sections: [
        {
          kind: 'calls',
          open: '<tool_calls>',
          close: '</tool_calls>',
          read: readJsonCalls,
          scan: scanJsonCalls,
        },
      ],
    },
    call: {
      before: '<tool_calls>[\n',
      after: '\n]</tool_calls>',
      keys: { name: 'name', arguments: 'arguments' },
    },
  },
  {
    // Command R and R+ of 2024.
    matches: (template) => template.includes("'Action:'") || template.includes('Action:\\n```json'),
    format: { sections: [{ kind: 'calls', open: 'Action:', read: readActions }] },
    call: {
      before: 'Action: ```json\n[\n    ',
      after: '\n]```',
      keys: { name: 'tool_name', arguments: 'parameters' },
    },
  },
  {
    // Llama 4, and Llama 3.2 with templates that ask for Python.
    matches: (template) => template.includes('<|python_start|>') || template.includes('[func_name1('),
    format: {
      sections: [
        {
          kind: 'calls',
          open: '<|python_start|>',
          close: '<|python_end|>',
          read: either(readPythonCalls, readJsonCalls),
        },
        { kind: 'calls', open: '[', leads: true, read: readPythonCalls },
        { kind: 'calls', open: '{', leads: true, read: readJsonCalls },
      ],
    },
    call: bareJson,
  },
  {
    // Gemma, whose templates have no tools: they are described in the conversation.
    matches: describesTools,
    format: {
      sections: [
        { kind: 'calls', open: '```tool_code', close: '```', read: readPythonCalls },
        { kind: 'calls', open: '[', leads: true, read: readPythonCalls },
      ],
    },
  },
  {
    // Llama 3.1 and later: the whole answer is one call.
    matches: (template) => template.includes('<|python_tag|>') && template.includes('"parameters"'),
    format: {
      sections: [
        { kind: 'calls', open: '<|python_tag|>', read: readJsonCalls, scan: scanJsonCalls },
        { kind: 'calls', open: '{', leads: true, read: readJsonCalls, scan: scanJsonCalls },
      ],
    },
    call: bareJson,
  },
];

/**
 * @param tools those that were offered; without any, what looks like a call is content
 * @returns undefined where the template marks nothing
 */
export function replyFormat(template: ChatTemplate, tools: readonly unknown[]): ReplyFormat | undefined {
  const formats = [
    reasoning.find(({ matches }) => matches(template.source)),
    tools.length > 0 ? toolSyntax(template) : undefined,
  ].flatMap((syntax) => syntax?.format ?? []);
  if (formats.length === 0) return undefined;
  return {
    sections: formats.flatMap(({ sections }) => sections),
    marks: formats.flatMap(({ marks = [] }) => marks),
    tools,
  };
}

/** How the model writes a call, and how an answer is read that is one; undefined where it cannot be made to. */
export function forcedCall(
  template: ChatTemplate,
  tools: readonly unknown[],
): { call: CallSyntax; format: ReplyFormat } | undefined {
  const call = toolSyntax(template)?.call;
  const format = call && replyFormat(template, tools);
  return format && { call, format: { ...format, single: true } };
}

/**
 * How a model writes a call within other text, and how both are read: `open` begins each call and nothing else, and
 * whether there may be several. Undefined where a call has no mark of its own.
 */
export function markedCall(
  template: ChatTemplate,
  tools: readonly unknown[],
): { open: string; several: boolean; call: CallSyntax; format: ReplyFormat } | undefined {
  const { call, format: own } = toolSyntax(template) ?? {};
  const sections = own?.sections.filter(({ kind }) => kind === 'calls') ?? [];
  const [section, other] = sections;
  const format = replyFormat(template, tools);
  if (!call || !format || !section || other || section.leads || !call.before.startsWith(section.open))
    return undefined;
  return { open: section.open, several: section.close !== undefined, call, format };
}

/** How the model writes thoughts and an answer, and how both are read; undefined where it marks no thoughts. */
export function answerSyntax(
  template: ChatTemplate,
): { answer: AnswerSyntax; format: ReplyFormat } | undefined {
  const { answer, format } = reasoning.find(({ matches }) => matches(template.source)) ?? {};
  return answer && format && { answer, format: { ...format, single: true } };
}

/** Whether calls of tools can be told from the model's text. */
export function readsToolCalls(template: ChatTemplate): boolean {
  return toolSyntax(template) !== undefined;
}

function toolSyntax({ source, toolSource = source }: ChatTemplate): Syntax | undefined {
  return toolCalls.find(({ matches }) => matches(toolSource));
}
