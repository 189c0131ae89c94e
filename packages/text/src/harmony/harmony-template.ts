/**
 * Prompts of gpt-oss, by OpenAI's own rules and not by the Jinja template of the model's files, which comes near to them.
 * Messages of OpenAI's API become harmony's: instructions and tools are the developer's, reasoning, calls and answers of
 * the assistant are messages of their own, by channel.
 * @see https://cookbook.openai.com/articles/openai-harmony; openai-harmony 0.0.8
 */

import { RequestError } from '@steelyard/core';
import type { ChatMessage, ChatTemplate, ChatToolCall, RenderOptions } from '../chat-template-types.ts';
import { strftime } from '../template-functions.ts';
import { describeTools, type FunctionTool } from './typescript-schema.ts';

interface HarmonyMessage {
  /** Role, and perhaps a name or a recipient. */
  readonly author: string;
  readonly channel?: 'analysis' | 'commentary' | 'final';
  /** Behind the channel. */
  readonly contentType?: string;
  readonly text: string;
  readonly end?: '<|call|>';
}

const IDENTITY = 'You are ChatGPT, a large language model trained by OpenAI.';
const CUTOFF = '2024-06';
const CHANNELS = '# Valid channels: analysis, commentary, final. Channel must be included for every message.';
const CALLS = "Calls to these tools must go to the commentary channel: 'functions'.";

/** Whether a model's Jinja template is of this format. */
export function isHarmony(source: string): boolean {
  return source.includes('<|channel|>') && source.includes('<|message|>');
}

export class HarmonyTemplate implements ChatTemplate {
  readonly source: string;
  readonly #now: () => Date;

  /** @param source the Jinja template of the model's files, by which its format is known */
  constructor(source: string, now: () => Date = () => new Date()) {
    this.source = source;
    this.#now = now;
  }

  render(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    const { addGenerationPrompt = true, tools = [], variables = {} } = options;
    const functions = tools.map(functionOf);
    const [instructions, rest] = takeInstructions(messages);
    const developer = [
      ...(instructions === undefined ? [] : [`# Instructions\n\n${instructions}`]),
      ...(functions.length > 0 ? [describeTools('functions', functions)] : []),
    ];
    const conversation: HarmonyMessage[] = [
      { author: 'system', text: this.#system(variables, functions.length > 0) },
      ...(developer.length > 0 ? [{ author: 'developer', text: developer.join('\n\n') }] : []),
      ...withoutOldAnalysis(rest.flatMap((message, i) => toHarmony(message, rest.slice(0, i)))),
    ];
    const text = conversation.map(write).join('');
    return addGenerationPrompt ? `${text}<|start|>assistant` : text;
  }

  #system(variables: Readonly<Record<string, unknown>>, withTools: boolean): string {
    const {
      model_identity: identity = IDENTITY,
      reasoning_effort: effort = 'medium',
      ...unknown
    } = variables;
    const [name] = Object.keys(unknown);
    if (name !== undefined || typeof identity !== 'string' || typeof effort !== 'string') {
      throw new RequestError(
        `${name ?? 'model_identity and reasoning_effort'} cannot be used here: prompts of this model take the texts model_identity and reasoning_effort.`,
        'messages',
      );
    }
    const date = strftime(this.#now(), '%Y-%m-%d');
    return [
      `${identity}\nKnowledge cutoff: ${CUTOFF}\nCurrent date: ${date}`,
      `Reasoning: ${effort}`,
      withTools ? `${CHANNELS}\n${CALLS}` : CHANNELS,
    ].join('\n\n');
  }
}

function write({ author, channel, contentType, text, end }: HarmonyMessage): string {
  const header = `${author}${channel ? `<|channel|>${channel}` : ''}${contentType ? ` ${contentType}` : ''}`;
  return `<|start|>${header}<|message|>${text}${end ?? '<|end|>'}`;
}

/** System and developer messages at the start, as one text, and what follows. */
function takeInstructions(messages: readonly ChatMessage[]): [string | undefined, readonly ChatMessage[]] {
  const first = messages.findIndex(({ role }) => !isInstruction(role));
  const count = first < 0 ? messages.length : first;
  const texts = messages.slice(0, count).map(textOf);
  return [texts.length > 0 ? texts.join('\n\n') : undefined, messages.slice(count)];
}

function isInstruction(role: string): boolean {
  return role === 'system' || role === 'developer';
}

function toHarmony(message: ChatMessage, before: readonly ChatMessage[]): HarmonyMessage[] {
  const { role, name } = message;
  if (isInstruction(role)) return [{ author: 'developer', text: `# Instructions\n\n${textOf(message)}` }];
  if (role === 'user')
    return [{ author: name === undefined ? 'user' : `user:${name}`, text: textOf(message) }];
  if (role === 'assistant') return fromAssistant(message);
  if (role === 'tool') {
    const author = `functions.${calledName(message, before)} to=assistant`;
    return [{ author, channel: 'commentary', text: textOf(message) }];
  }
  throw new RequestError(
    `a message has the role ${JSON.stringify(role)}; expected system, developer, user, assistant or tool`,
    'messages',
  );
}

/** Words beside calls are a preamble for the reader. */
function fromAssistant(message: ChatMessage): HarmonyMessage[] {
  const { reasoning_content: reasoning = '', tool_calls: calls = [] } = message;
  const text = textOf(message);
  const author = 'assistant';
  const said: HarmonyMessage[] = [];
  if (reasoning !== '') said.push({ author, channel: 'analysis', text: reasoning });
  if (calls.length === 0) said.push({ author, channel: 'final', text });
  else if (text !== '') said.push({ author, channel: 'commentary', text });
  return [...said, ...calls.map(fromCall)];
}

function fromCall({ function: { name, arguments: given } }: ChatToolCall): HarmonyMessage {
  return {
    author: `assistant to=functions.${name}`,
    channel: 'commentary',
    contentType: '<|constrain|>json',
    text: typeof given === 'string' ? given : JSON.stringify(given),
    end: '<|call|>',
  };
}

/** The tool that a result is of: by the call's id, by its own name, or the last that was called. */
function calledName(message: ChatMessage, before: readonly ChatMessage[]): string {
  const calls = before.flatMap(({ tool_calls: made = [] }) => made);
  const call = calls.findLast(({ id }) => id !== undefined && id === message.tool_call_id);
  const name = call?.function.name ?? message.name ?? calls.at(-1)?.function.name;
  if (name !== undefined) return name;
  throw new RequestError(
    'a tool message follows no call: no assistant message before it has tool_calls',
    'messages',
  );
}

/** Once the last turn has its final answer, the analysis before the first is dropped, as the reference does it. */
function withoutOldAnalysis(messages: readonly HarmonyMessage[]): readonly HarmonyMessage[] {
  const last = messages.findLast(({ author }) => author.startsWith('assistant'));
  if (last?.channel !== 'final') return messages;
  const first = messages.findIndex(({ channel }) => channel === 'final');
  return messages.filter(({ channel }, i) => i >= first || channel !== 'analysis');
}

/** @throws RequestError for parts that are not text */
function textOf({ content }: ChatMessage): string {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  return content
    .map(({ type, text }) => {
      if (type === 'text' && text !== undefined) return text;
      throw new RequestError(
        `a message has a part of type ${JSON.stringify(type)}; this model reads text`,
        'messages',
      );
    })
    .join('\n');
}

/** Of OpenAI's shape, with or without the `function` around it. */
function functionOf(tool: unknown): FunctionTool {
  const { function: inner, ...outer } = tool as { function?: FunctionTool } & FunctionTool;
  return inner ?? outer;
}
