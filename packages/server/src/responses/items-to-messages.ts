/**
 * Items as the messages of a chat: thoughts, text and calls of one turn of the model are one message. Calls of the server's
 * tools come with their results; what was only asked for, lists of tools, and items of an upstream's own tools, are nothing
 * that was said.
 */

import type { ChatMessage } from '@steelyard/text';
import type { KeptItem } from '../schemas/response-items.ts';
import type { ApprovalRequest, SearchResult } from '../schemas/tool-items.ts';
import { Citations } from '../tool-loop/citations.ts';
import { FILE_SEARCH } from '../tool-loop/file-search.ts';

interface Turn {
  role: 'assistant';
  content: string | null;
  reasoning_content?: string;
  tool_calls?: NonNullable<ChatMessage['tool_calls']>[number][];
}

/** @param instructions stand before all else */
export function itemsToMessages(
  items: readonly KeptItem[],
  instructions: string | null | undefined,
): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let turn: Turn | undefined;
  /** The turn that takes what comes next; a new one where `fits` says that the last is past that. */
  const turnFor = (fits: (turn: Turn) => boolean): Turn => {
    if (turn && fits(turn)) return turn;
    turn = { role: 'assistant', content: null };
    messages.push(turn);
    return turn;
  };
  /** A call of the server's tool with its result, after which the model spoke anew. */
  const ran = (id: string, name: string, args: string, output: string): void => {
    const call_id = id.slice(-9);
    const calling = turnFor(() => true);
    (calling.tool_calls ??= []).push({
      ...{ id: call_id, type: 'function' },
      function: { name, arguments: args },
    });
    messages.push({ role: 'tool', content: output, tool_call_id: call_id });
    turn = undefined;
  };
  const citations = new Citations();
  const requests = new Map<string, ApprovalRequest>();
  for (const item of items) {
    if (item.type === 'mcp_list_tools') continue;
    if (item.type === 'mcp_approval_request') requests.set(item.id, item);
    else if (item.type === 'mcp_approval_response') {
      const request = requests.get(item.approval_request_id);
      if (request && !item.approve) ran(request.id, request.name, request.arguments, denied(item.reason));
    } else if (item.type === 'mcp_call') {
      ran(
        item.id,
        item.name,
        item.arguments,
        item.error === null ? (item.output ?? '') : `Error: ${item.error}`,
      );
    } else if (item.type === 'file_search_call') {
      // Kept only where it was asked for; without, the answer that rested on it is all that there is.
      if (!item.results) continue;
      const args = JSON.stringify({ query: item.queries.join(' ') });
      ran(item.id, FILE_SEARCH, args, citations.describe(item.results));
    } else if (item.type === 'reasoning') {
      const text = thoughts(item);
      if (text === '') continue;
      turnFor((last) => !spoke(last) && last.reasoning_content === undefined).reasoning_content = text;
    } else if (item.type === 'function_call') {
      const { call_id: id, name, arguments: args } = item;
      const calling = turnFor(() => true);
      (calling.tool_calls ??= []).push({ id, type: 'function', function: { name, arguments: args } });
    } else if (item.type === 'message' && item.role === 'assistant') {
      const text = item.content
        .map((part) => (part.type === 'refusal' ? part.refusal : part.text))
        .join('\n');
      turnFor((last) => !spoke(last)).content = text;
    } else if (item.type === 'message' || item.type === 'function_call_output') {
      turn = undefined;
      messages.push(toMessage(item));
    }
  }
  return withInstructions(messages, instructions);
}

function spoke({ content, tool_calls: calls }: Turn): boolean {
  return content !== null || calls !== undefined;
}

/** Passages of earlier searches, in the order in which the model was shown them. */
export function knownPassages(items: readonly KeptItem[]): SearchResult[] {
  return items.flatMap((item) => (item.type === 'file_search_call' ? (item.results ?? []) : []));
}

function denied(reason: string | null): string {
  return `Not called: the user has not allowed it.${reason ? ` ${reason}` : ''}`;
}

type Said = Extract<KeptItem, { type: 'message' | 'function_call_output' }>;
type Heard = Exclude<Said, { role: 'assistant' }>;

function toMessage(item: Heard): ChatMessage {
  if (item.type === 'function_call_output') {
    return { role: 'tool', content: textOf(item.output), tool_call_id: item.call_id };
  }
  // Templates of open-weight models know the newer name's older twin.
  const role = item.role === 'developer' ? 'system' : item.role;
  return { role, content: textOf(item.content) };
}

/** Parts become lines of one text: most templates take nothing but a string. */
function textOf(content: string | readonly { readonly text: string }[]): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}

function thoughts({ content, summary }: Extract<KeptItem, { type: 'reasoning' }>): string {
  return textOf(content && content.length > 0 ? content : summary);
}

/** One system message at the start: many templates take no second. */
function withInstructions(messages: ChatMessage[], instructions: string | null | undefined): ChatMessage[] {
  const rest = messages.findIndex(({ role }) => role !== 'system');
  const leading = messages
    .slice(0, rest < 0 ? messages.length : rest)
    .map(({ content }) => content as string);
  const system = [...(instructions ? [instructions] : []), ...leading].join('\n\n');
  const spoken = messages.slice(leading.length);
  // A turn of thoughts alone: templates want a text.
  for (const message of spoken)
    if (message.role === 'assistant' && !message.tool_calls) message.content ??= '';
  return system === '' ? spoken : [{ role: 'system', content: system }, ...spoken];
}
