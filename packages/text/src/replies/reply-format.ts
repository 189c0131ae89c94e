/**
 * How a model marks reasoning and tool calls in what it writes: sections between marks, around them content. Which
 * sections a model has is read off its chat template, which writes the same marks for turns of the past.
 */

import type { ChatTemplate } from '../chat-template-types.ts';
import { isHarmony } from '../harmony/harmony-template.ts';
import { harmonyMessage } from '../harmony/harmony-message.ts';
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
  /** Of `header`: what follows, by its text with the mark that opens it. */
  readonly next?: (header: string) => ReplySection;
  /** The end of a prompt that has opened the section; default `open`. */
  readonly prompt?: string;
}

/** How one call is written, where it takes no special token: text around JSON with the name and the arguments. */
export interface CallSyntax {
  readonly before: string;
  readonly after: string;
  /** Key of the arguments. */
  readonly arguments: 'arguments' | 'parameters';
}

export interface ReplyFormat {
  readonly sections: readonly ReplySection[];
  /** Other tokens within sections that must stay in the text, special or not. */
  readonly marks?: readonly string[];
}

interface Syntax {
  /** Whether a template's text is of this syntax. */
  readonly matches: (template: string) => boolean;
  readonly format: ReplyFormat;
  readonly call?: CallSyntax;
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
};

const reasoning: readonly Syntax[] = [
  harmony,
  {
    // DeepSeek R1, Qwen 3, SmolLM 3.
    matches: has('</think>'),
    format: { sections: [{ kind: 'reasoning', open: '<think>', close: '</think>' }] },
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
  },
];

const toolCalls: readonly Syntax[] = [
  // Its messages are told apart with or without tools.
  { ...harmony, format: { sections: [] } },
  {
    // Hermes, Qwen 2.5 and 3. Others write XML between the same marks.
    matches: (template) =>
      template.includes('<tool_call>') && !template.includes('<function=') && !template.includes('<arg_key>'),
    format: {
      sections: [{ kind: 'calls', open: '<tool_call>', close: '</tool_call>', read: readJsonCalls }],
    },
    call: { before: '<tool_call>\n', after: '\n</tool_call>', arguments: 'arguments' },
  },
  {
    matches: has('[TOOL_CALLS]'),
    format: {
      sections: [{ kind: 'calls', open: '[TOOL_CALLS]', read: readMistralCalls }],
      marks: ['[ARGS]', '[CALL_ID]'],
    },
  },
  {
    matches: has('<|START_ACTION|>'),
    format: {
      sections: [{ kind: 'calls', open: '<|START_ACTION|>', close: '<|END_ACTION|>', read: readJsonCalls }],
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
        },
      ],
      marks: ['<｜tool▁call▁begin｜>', '<｜tool▁sep｜>', '<｜tool▁call▁end｜>'],
    },
  },
  {
    // Jamba.
    matches: has('<tool_calls>'),
    format: {
      sections: [{ kind: 'calls', open: '<tool_calls>', close: '</tool_calls>', read: readJsonCalls }],
    },
  },
  {
    // Command R and R+ of 2024.
    matches: (template) => template.includes("'Action:'") || template.includes('Action:\\n```json'),
    format: { sections: [{ kind: 'calls', open: 'Action:', read: readActions }] },
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
        { kind: 'calls', open: '<|python_tag|>', read: readJsonCalls },
        { kind: 'calls', open: '{', leads: true, read: readJsonCalls },
      ],
    },
    call: { before: '', after: '', arguments: 'parameters' },
  },
];

/**
 * @param withTools whether tools were offered; without, what looks like a call is content
 * @returns undefined where the template marks nothing
 */
export function replyFormat(template: ChatTemplate, withTools: boolean): ReplyFormat | undefined {
  const formats = [
    reasoning.find(({ matches }) => matches(template.source)),
    withTools ? toolSyntax(template) : undefined,
  ].flatMap((syntax) => syntax?.format ?? []);
  if (formats.length === 0) return undefined;
  return {
    sections: formats.flatMap(({ sections }) => sections),
    marks: formats.flatMap(({ marks = [] }) => marks),
  };
}

/** How the model writes a call, and how an answer is read that is one; undefined where it cannot be made to. */
export function forcedCall(template: ChatTemplate): { call: CallSyntax; format: ReplyFormat } | undefined {
  const { call, format } = toolSyntax(template) ?? {};
  return call && format && { call, format };
}

/** Whether calls of tools can be told from the model's text. */
export function readsToolCalls(template: ChatTemplate): boolean {
  return toolSyntax(template) !== undefined;
}

function toolSyntax({ source, toolSource = source }: ChatTemplate): Syntax | undefined {
  return toolCalls.find(({ matches }) => matches(toolSource));
}
