/** What a response goes on from and what it is asked: items kept earlier, and those of the request. */

import type { ConversationPlace, ProjectStorage } from '@steelyard/storage';
import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import type { KeptItem } from '../schemas/response-items.ts';
import type { ResponseRequest } from '../schemas/response-request.ts';
import { keepItems, userMessage } from './keep-items.ts';
import { sealOf } from './sealed-reasoning.ts';
import { found, fromStoredItems, itemFinder } from './stored-responses.ts';

export interface ResponseContext {
  readonly history: readonly KeptItem[];
  readonly input: readonly KeptItem[];
  readonly conversation?: ConversationPlace;
}

/** @throws ApiError 400 or 404 naming what is not there, is not done, or does not fit together */
export async function gatherContext(
  call: Call<ResponseRequest>,
  storage: ProjectStorage | undefined,
): Promise<ResponseContext> {
  const find = storage && itemFinder(storage.responses);
  const { body } = call;
  const { input: given } = body;
  const input =
    typeof given === 'string'
      ? given === ''
        ? []
        : [userMessage(given)]
      : await keepItems(given ?? [], 'input', { find, seal: sealOf(call) });
  const before = storage ? await whatWentBefore(body, storage) : { history: [] };
  checkCalls([...before.history, ...input], before.history.length);
  return { ...before, input };
}

type Before = Omit<ResponseContext, 'input'>;

async function whatWentBefore(body: ResponseRequest, storage: ProjectStorage): Promise<Before> {
  const { previous_response_id: previous, conversation } = body;
  if (conversation) {
    const id = typeof conversation === 'string' ? conversation : conversation.id;
    const missing = { status: 404, param: 'conversation', code: 'conversation_not_found' };
    const { items, place } = await found(storage.conversations.whole(id), missing);
    return { history: fromStoredItems(items), conversation: place };
  }
  if (!previous) return { history: [] };
  const missing = { status: 400, param: 'previous_response_id', code: 'previous_response_not_found' };
  const { status } = await found(storage.responses.get(previous), missing);
  if (status === 'queued' || status === 'in_progress') {
    throw new ApiError(400, `Response '${previous}' is ${status}: go on from it when it is done.`, {
      param: 'previous_response_id',
      code: 'previous_response_not_done',
    });
  }
  return { history: fromStoredItems(await found(storage.responses.history(previous), missing)) };
}

/** A result needs its call before it, and a call its result: without, templates fail in ways that nobody understands. */
function checkCalls(items: readonly KeptItem[], inputFrom: number): void {
  const open = new Set<string>();
  const known = new Set<string>();
  const requests = new Set<string>();
  const bad = (message: string, param: string) =>
    new ApiError(400, message, { param, code: 'invalid_value' });
  items.forEach((item, i) => {
    if (item.type === 'function_call') {
      known.add(item.call_id);
      open.add(item.call_id);
    }
    if (item.type === 'mcp_approval_request') requests.add(item.id);
    if (item.type === 'mcp_approval_response' && !requests.has(item.approval_request_id)) {
      const param = i < inputFrom ? 'input' : `input[${i - inputFrom}].approval_request_id`;
      throw bad(`No approval request found with id '${item.approval_request_id}'.`, param);
    }
    if (item.type !== 'function_call_output') return;
    if (!known.has(item.call_id)) {
      const param = i < inputFrom ? 'input' : `input[${i - inputFrom}].call_id`;
      throw bad(`No tool call found for function call output with call_id '${item.call_id}'.`, param);
    }
    open.delete(item.call_id);
  });
  const [left] = open;
  if (left === undefined) return;
  throw bad(
    `No tool output found for function call '${left}'. Send it as an item of type 'function_call_output'.`,
    'input',
  );
}
