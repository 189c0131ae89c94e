/** Items of a request in the one form in which they are kept and shown again; what no text model can take is refused. */

import { ApiError, unsupported } from '../http/api-error.ts';
import type { InputItem, KeptItem } from '../schemas/response-items.ts';
import { newItemId } from './item-ids.ts';
import { keepToolItem } from './keep-tool-items.ts';
import type { Seal } from './sealed-reasoning.ts';

/** Items that earlier answers or conversations have. */
export type FindItems = (ids: readonly string[]) => Promise<ReadonlyMap<string, KeptItem>>;

type Message = Extract<InputItem, { type: 'message' }>;
type Call = Extract<InputItem, { type: 'function_call' }>;
type Result = Extract<InputItem, { type: 'function_call_output' }>;
type Reasoning = Extract<InputItem, { type: 'reasoning' }>;

interface KeepPlan {
  /** Looks references up; absent where nothing is kept. */
  readonly find: FindItems | undefined;
  readonly seal: Seal;
}

/**
 * @param at path of the list in the request: `input`, `items`
 * @throws ApiError 400 naming the part that is not supported or comes twice, 404 for a reference to nothing
 */
export async function keepItems(
  given: readonly InputItem[],
  at: string,
  { find, seal }: KeepPlan,
): Promise<KeptItem[]> {
  const wanted = given.flatMap((item) => (item.type === 'item_reference' ? [item.id] : []));
  const found = wanted.length > 0 && find ? await find(wanted) : new Map<string, KeptItem>();
  const kept = given.map((item, i) => {
    if (item.type !== 'item_reference') return keepItem(item, `${at}[${i}]`, seal);
    const referred = found.get(item.id);
    if (!referred) throw missingItem(item.id, `${at}[${i}]`);
    return referred;
  });
  refuseTwins(kept, at);
  return kept;
}

/** A text for input is a message of the user. */
export function userMessage(text: string): KeptItem {
  return {
    id: newItemId('message'),
    type: 'message',
    role: 'user',
    status: 'completed',
    content: [{ type: 'input_text', text }],
  };
}

function keepItem(item: InputItem, at: string, seal: Seal): KeptItem {
  switch (item.type) {
    case 'message':
      return keepMessage(item, at);
    case 'function_call':
      return keepCall(item, at);
    case 'function_call_output':
      return keepResult(item, at);
    case 'reasoning':
      return keepReasoning(item, at, seal);
    case 'file_search_call':
    case 'mcp_list_tools':
    case 'mcp_call':
    case 'mcp_approval_request':
    case 'mcp_approval_response':
      return keepToolItem(item);
    default:
      throw unsupported(
        `${at}.type`,
        `An item of type '${item.type}'`,
        'Send messages, calls of functions and tools, and their outputs.',
      );
  }
}

function keepMessage(item: Message, at: string): KeptItem {
  const head = { id: item.id ?? newItemId('message'), type: 'message' as const };
  const status = item.status ?? 'completed';
  if (item.role !== 'assistant') {
    return { ...head, role: item.role, status, content: inputParts(item.content, `${at}.content`) };
  }
  const parts =
    typeof item.content === 'string' ? [{ type: 'output_text' as const, text: item.content }] : item.content;
  const content = parts.map((part) =>
    part.type === 'refusal'
      ? { type: part.type, refusal: part.refusal }
      : { type: 'output_text' as const, text: part.text, annotations: [], logprobs: [] },
  );
  return { ...head, role: item.role, status, content, ...(item.phase ? { phase: item.phase } : {}) };
}

type Parts = Exclude<Exclude<Message, { role: 'assistant' }>['content'], string>;

function inputParts(content: string | Parts, at: string): { type: 'input_text'; text: string }[] {
  if (typeof content === 'string') return [{ type: 'input_text', text: content }];
  return content.map((part, i) => {
    if (part.type === 'input_text') return { type: part.type, text: part.text };
    throw unsupported(
      `${at}[${i}]`,
      `Content of type '${part.type}'`,
      "Send parts of type 'input_text' only.",
    );
  });
}

function keepCall(item: Call, at: string): KeptItem {
  refuseProgram(item, at);
  if (item.namespace) throw unsupported(`${at}.namespace`, 'A namespace of tools', 'Remove it.');
  const { call_id, name, arguments: args, status } = item;
  const id = item.id ?? newItemId('function_call');
  return { id, type: 'function_call', call_id, name, arguments: args, status: status ?? 'completed' };
}

function keepResult(item: Result, at: string): KeptItem {
  refuseProgram(item, at);
  const { call_id, output, status } = item;
  return {
    id: item.id ?? newItemId('function_call_output'),
    type: 'function_call_output',
    call_id,
    output: typeof output === 'string' ? output : inputParts(output, `${at}.output`),
    status: status ?? 'completed',
  };
}

function refuseProgram({ caller }: Call | Result, at: string): void {
  if (caller && caller.type !== 'direct')
    throw unsupported(`${at}.caller`, 'A call by a program', 'Remove it.');
}

function keepReasoning(item: Reasoning, at: string, seal: Seal): KeptItem {
  const sealed = item.encrypted_content ?? undefined;
  const opened = sealed === undefined ? undefined : seal.open(sealed);
  if (sealed !== undefined && opened === undefined) {
    throw new ApiError(
      400,
      `Invalid '${at}.encrypted_content': it was not made by this server for this project, or was changed since. Leave this item out of the input.`,
      { param: `${at}.encrypted_content`, code: 'invalid_encrypted_content' },
    );
  }
  const content =
    item.content ?? (opened === undefined ? undefined : [{ type: 'reasoning_text' as const, text: opened }]);
  return {
    id: item.id ?? newItemId('reasoning'),
    type: 'reasoning',
    summary: item.summary,
    ...(content ? { content } : {}),
    ...(sealed === undefined ? {} : { encrypted_content: sealed }),
    status: item.status ?? 'completed',
  };
}

function refuseTwins(items: readonly KeptItem[], at: string): void {
  const seen = new Set<string>();
  items.forEach(({ id }, i) => {
    if (seen.has(id)) {
      throw new ApiError(400, `Duplicate item found with id '${id}'. Send each item once.`, {
        param: `${at}[${i}].id`,
        code: 'invalid_value',
      });
    }
    seen.add(id);
  });
}

function missingItem(id: string, at: string): ApiError {
  return new ApiError(
    404,
    `Item with id '${id}' not found. Items of responses with 'store' set to false are not kept: send the item itself.`,
    { param: at, code: 'item_not_found' },
  );
}
