/** How the answer to a chat is read, and what it is held to: by the model's template and what the request asks. */

import { RequestError } from '@steelyard/core';
import {
  answerSyntax,
  forcedCall,
  markedCall,
  readsToolCalls,
  replyFormat,
  type AnswerSyntax,
  type CallSyntax,
  type ChatTemplate,
  type ReplyFormat,
} from '@steelyard/text';
import type { Constraint, HeldConstraint, OutlinePart } from './constraint/constraint.ts';
import type { ThoughtLimit } from './constraint/thought-limit-judge.ts';
import type { ChatOptions } from './types.ts';

export interface ReplyPlan {
  readonly reply?: ReplyFormat;
  readonly constraint?: Constraint;
  readonly thoughtLimit?: ThoughtLimit;
}

/**
 * @param model name, for messages
 * @param prompt its end, in which a template may have begun or ended the thoughts
 * @throws RequestError for tools that the model cannot call so that it can be told, or be made to call
 */
export function planReply(
  model: string,
  template: ChatTemplate | undefined,
  options: ChatOptions,
  prompt: string,
): ReplyPlan {
  const plan = planAnswer(model, template, options, prompt);
  const { maxReasoningTokens: tokens } = options;
  const { thoughts } = (template && answerSyntax(template)?.answer) ?? {};
  if (tokens === undefined || !thoughts || !plan.reply) return plan;
  return { ...plan, thoughtLimit: { tokens, close: thoughts.close, then: thoughts.then } };
}

function planAnswer(
  model: string,
  template: ChatTemplate | undefined,
  options: ChatOptions,
  prompt: string,
): ReplyPlan {
  const { parseReply = false, tools = [], constraint, toolChoice } = options;
  if (!parseReply) return constraint ? { constraint } : {};
  checkTools(model, template, tools);
  const thinking = template && answerSyntax(template);
  const thoughts = thoughtParts(thinking?.answer.thoughts, prompt);
  if (toolChoice) return planCall(model, template, tools, toolChoice, thoughts);
  if (template && constraint && constraint.type !== 'outline' && tools.length > 0) {
    const either = planAnswerOrCall(template, tools, constraint, thoughts);
    if (either) return either;
  }
  if (constraint?.type === 'outline' || (constraint && !thinking)) return { constraint };
  if (constraint && thinking) {
    const { before, after } = thinking.answer;
    const answer = [{ literal: before }, { held: constraint }, { literal: after }];
    return { reply: thinking.format, constraint: outline(thoughts, [answer]) };
  }
  if (options.tools?.some(isStrict)) return planStrict(model, template, tools, thoughts);
  // Thoughts, and marks of an answer, lie before what it begins with.
  if (options.answerPrefix && tools.length === 0) return {};
  const reply = template && replyFormat(template, tools);
  return reply ? { reply } : {};
}

type Path = readonly OutlinePart[];

function outline(thoughts: readonly Path[], answers: readonly Path[]): Constraint {
  return { type: 'outline', paths: thoughts.flatMap((first) => answers.map((then) => [...first, ...then])) };
}

/** What may come before an answer: thoughts or none, the thoughts that the prompt has opened, or none any more. */
function thoughtParts(marks: AnswerSyntax['thoughts'] | undefined, prompt: string): readonly Path[] {
  const end = prompt.trimEnd();
  if (!marks || end.endsWith(marks.close)) return [[]];
  const rest: Path = [{ until: marks.close }, { literal: marks.then }];
  return end.endsWith(marks.open) ? [rest] : [[{ literal: marks.open }, ...rest], []];
}

function checkTools(model: string, template: ChatTemplate | undefined, tools: readonly unknown[]): void {
  if (tools.length === 0 || (template && readsToolCalls(template))) return;
  throw new RequestError(
    `${model} calls no tools that can be told from its text: its chat template marks none in a known way. ` +
      'Use a model made for tools, or describe them in a system message and read the answer yourself.',
    'tools',
  );
}

interface FunctionTool {
  readonly function: {
    readonly name: string;
    readonly parameters?: unknown;
    /** Arguments are held to the parameters, whether a call is required or not. */
    readonly strict?: boolean | null;
  };
}

function isStrict(tool: unknown): boolean {
  return (tool as FunctionTool).function.strict === true;
}

/** Text as the model likes, but what it marks as a call is one, of a tool that is there, with arguments that are held to. */
function planStrict(
  model: string,
  template: ChatTemplate | undefined,
  tools: readonly unknown[],
  thoughts: readonly Path[],
): ReplyPlan {
  const marked = template && markedCall(template, tools);
  if (!marked) {
    throw new RequestError(
      `${model} cannot be held to strict tools while it may answer in words: its calls have no mark of their own. ` +
        "Send 'strict': false, or require a call (tool_choice)",
      'tools',
    );
  }
  const { open, several, call, format } = marked;
  const free = { until: open, mayEnd: true };
  const rest = { ...call, before: call.before.slice(open.length) };
  const loop = callPaths(rest, callables(tools)).map((path) => [
    free,
    ...path,
    ...(several ? [{ again: true as const }] : []),
  ]);
  const paths = thoughts.flatMap((first) => loop.map((then) => [...first, ...then]));
  return { reply: format, constraint: { type: 'outline', paths, loop } };
}

/** One answer under the constraint or one call; undefined where a call is not told from such an answer by its mark. */
function planAnswerOrCall(
  template: ChatTemplate,
  tools: readonly unknown[],
  constraint: HeldConstraint,
  thoughts: readonly Path[],
): ReplyPlan | undefined {
  const marked = markedCall(template, tools);
  if (!marked) return undefined;
  const { before = '', after = '' } = answerSyntax(template)?.answer ?? {};
  const answer = [{ literal: before }, { held: constraint }, { literal: after }];
  const paths = [answer, ...callPaths(marked.call, callables(tools))];
  return { reply: { ...marked.format, single: true }, constraint: outline(thoughts, paths) };
}

function planCall(
  model: string,
  template: ChatTemplate | undefined,
  tools: readonly unknown[],
  choice: NonNullable<ChatOptions['toolChoice']>,
  thoughts: readonly Path[],
): ReplyPlan {
  const all = (tools as readonly FunctionTool[]).map((tool) => tool.function);
  const allowed = choice === 'required' ? all : all.filter(({ name }) => name === choice.name);
  if (allowed.length === 0) {
    const wanted = choice === 'required' ? 'a call is required' : `the tool '${choice.name}' is`;
    const given = all.map(({ name }) => `'${name}'`).join(', ') || 'none';
    throw new RequestError(`${wanted} chosen, but the tools given are: ${given}`, 'tool_choice');
  }
  const forced = template && forcedCall(template, tools);
  if (!forced) {
    throw new RequestError(
      `${model} cannot be made to call a tool: how it writes calls is not known well enough. Choose 'auto'.`,
      'tool_choice',
    );
  }
  return { reply: forced.format, constraint: outline(thoughts, callPaths(forced.call, allowed)) };
}

type Callable = FunctionTool['function'];

/** Arguments of tools that are not strict are any object. */
function callables(tools: readonly unknown[]): Callable[] {
  return (tools as readonly FunctionTool[]).map(({ function: { name, parameters, strict } }) =>
    strict ? { name, ...(parameters ? { parameters } : {}) } : { name, parameters: { type: 'object' } },
  );
}

/** One path for all tools, or where the name stands outside of the JSON one for each. */
function callPaths({ before, after, keys }: CallSyntax, allowed: readonly Callable[]): Path[] {
  const path = (start: string, schema: unknown): Path => [
    { literal: start },
    { held: { type: 'json_schema', schema } },
    { literal: after },
  ];
  if (!keys) return allowed.map((tool) => path(before.replace('{name}', tool.name), argumentsOf(tool)));
  const { name: nameKey, arguments: argumentsKey, first = {} } = keys;
  const constants = Object.entries(first).map(([key, value]) => [key, { const: value }] as const);
  const anyOf = allowed.map((tool) => {
    const properties = {
      ...Object.fromEntries(constants),
      [nameKey]: { const: tool.name },
      [argumentsKey]: argumentsOf(tool),
    };
    return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
  });
  return [path(before, { anyOf })];
}

function argumentsOf({ parameters }: Callable): unknown {
  return parameters ?? { type: 'object', properties: {}, additionalProperties: false };
}
