/**
 * `file_search`: passages of the caller's vector stores for the model, by a query of its own, or by the user's last words
 * where it cannot be told of tools or the request wants the search first.
 */

import type { VectorStoreStore } from '@steelyard/storage';
import type { ChatMessage } from '@steelyard/text';
import { z } from 'zod';
import { newCallId } from '../chat-options.ts';
import type { Call } from '../endpoint.ts';
import { toApiError, isFault } from '../http/api-error.ts';
import { newItemId } from '../responses/item-ids.ts';
import { resultLimit, type FileSearchTool } from '../schemas/server-tools.ts';
import type { FileSearchCall, SearchResult } from '../schemas/tool-items.ts';
import { searchStore } from '../vector-stores/search-store.ts';
import { Citations } from './citations.ts';
import type { CallEnd, ItemStep, LoopStart, RunningCall, ServerTool, ToolSource } from './server-tool.ts';
import { roomFor } from './fit.ts';
import { watchTool } from './watch-tool.ts';
import { within } from './within.ts';

export const FILE_SEARCH = 'file_search';
const MAX_QUERIES = 5;
const MAX_QUERY = 4_000;

const query = z.string().trim().min(1);
const argumentsSchema = z
  .object({ query: query.optional(), queries: z.array(query).max(MAX_QUERIES).optional() })
  .transform(({ query: one, queries = [] }) => [...(one === undefined ? [] : [one]), ...queries])
  .refine((queries) => queries.length > 0);

export interface FileSearchPlan {
  readonly tool: FileSearchTool;
  readonly stores: VectorStoreStore;
  /** Whether the choice of tools leaves it in. */
  readonly isOffered: boolean;
  /** Searched before the model speaks. */
  readonly isFirst: boolean;
  /** What was found is shown to the caller too. */
  readonly includesResults: boolean;
  /** Found in earlier turns, whose numbers the model may know. */
  readonly known: readonly SearchResult[];
}

export function fileSearch(call: Call<unknown>, plan: FileSearchPlan): ToolSource {
  const citations = new Citations();
  for (const result of plan.known) citations.number(result);
  const searching = (start: LoopStart): RunningCall => new Search(call, plan, citations, start);
  return {
    open: (start) => (start.callsTools && plan.isOffered ? [toolOf(() => searching(start))] : []),
    async *first(start) {
      if (!plan.isOffered || (start.callsTools && !plan.isFirst)) return start.messages;
      return yield* searchFirst(start, searching(start));
    },
    reader: () => citations.reader(),
    close: () => Promise.resolve(),
  };
}

function toolOf(call: () => RunningCall): ServerTool {
  return {
    source: { type: 'file_search' },
    name: FILE_SEARCH,
    prefix: 'server',
    description:
      'Searches the files that the user has given for passages about a question. ' +
      'Use it whenever the answer may be in them.',
    parameters: {
      type: 'object',
      properties: {
        query: { type: 'string', description: 'What to look for, in a few words or a sentence.' },
      },
      required: ['query'],
    },
    call,
  };
}

/** The passages stand where the model's own call of the tool would have put them, or before the question. */
async function* searchFirst(
  { messages, callsTools, nameOf, signal }: LoopStart,
  running: RunningCall,
): AsyncGenerator<ItemStep, readonly ChatMessage[]> {
  const at = messages.findLastIndex(({ role }) => role === 'user');
  const question = at < 0 ? '' : textOf(messages[at]!).trim();
  if (question === '') return messages;
  const args = JSON.stringify({ query: question.slice(0, MAX_QUERY) });
  yield* running.begin();
  const end = yield* running.run(args, signal);
  if (end === 'waits') return messages;
  if (!callsTools) {
    const content = `${end.output}\n\n${question}`;
    return messages.map((message, i) => (i === at ? { ...message, content } : message));
  }
  const id = newCallId();
  const name = nameOf({ type: 'file_search', name: FILE_SEARCH });
  return [
    ...messages,
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id, type: 'function', function: { name, arguments: args } }],
    },
    { role: 'tool', content: end.output, tool_call_id: id },
  ];
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join('\n');
}

class Search implements RunningCall {
  readonly #call: Call<unknown>;
  readonly #plan: FileSearchPlan;
  readonly #citations: Citations;
  readonly #start: LoopStart;
  readonly #item: FileSearchCall = {
    id: newItemId('file_search_call'),
    type: 'file_search_call',
    status: 'in_progress',
    queries: [],
    results: null,
  };

  constructor(call: Call<unknown>, plan: FileSearchPlan, citations: Citations, start: LoopStart) {
    this.#call = call;
    this.#plan = plan;
    this.#citations = citations;
    this.#start = start;
  }

  begin(): readonly ItemStep[] {
    return [{ added: this.#item }, { event: { type: 'response.file_search_call.in_progress' } }];
  }

  grow(): readonly ItemStep[] {
    return [];
  }

  cut(): readonly ItemStep[] {
    return [{ done: { ...this.#item, status: 'incomplete' } }];
  }

  async *run(args: string, signal: AbortSignal): AsyncGenerator<ItemStep, CallEnd> {
    yield { event: { type: 'response.file_search_call.searching' } };
    const queries = readQueries(args);
    if (!queries) {
      yield { done: { ...this.#item, status: 'failed' } };
      return { output: 'Error: the arguments are no query. Expected {"query": "what to look for"}.' };
    }
    const ended = watchTool(this.#call, { name: FILE_SEARCH, source: FILE_SEARCH });
    try {
      const { toolMs } = this.#call.services.limits;
      const found = await within(toolMs, signal, (until) => this.#search(queries, until));
      ended('completed');
      const results = this.#fitting(found);
      yield { event: { type: 'response.file_search_call.completed' } };
      const shown = this.#plan.includesResults ? results : null;
      yield { done: { ...this.#item, status: 'completed', queries, results: shown } };
      return { output: this.#citations.describe(results) };
    } catch (error) {
      ended('failed');
      if (signal.aborted) throw error;
      const told = toApiError(error);
      if (isFault(told)) this.#call.services.reportError(error, this.#call.requestId);
      yield { done: { ...this.#item, status: 'failed', queries } };
      return { output: `Error: the search failed. ${told.message}` };
    }
  }

  async #search(queries: readonly string[], signal: AbortSignal): Promise<SearchResult[]> {
    const { tool, stores } = this.#plan;
    const call = { ...this.#call, signal, isAdmitted: true };
    const found: SearchResult[] = [];
    for (const id of tool.vector_store_ids) {
      for (const chunk of await searchStore(call, stores, id, { queries, options: searchOptions(tool) })) {
        const { fileId: file_id, filename, score, attributes, text } = chunk;
        found.push({ file_id, filename, score, attributes, text });
      }
    }
    return found.sort((a, b) => b.score - a.score).slice(0, resultLimit(tool));
  }

  /** The best, as far as the context has room for them; one at least. */
  #fitting(found: readonly SearchResult[]): SearchResult[] {
    const { countTokens } = this.#start;
    let room = roomFor(this.#start);
    const from = found.findIndex(({ text }, i) => {
      room -= countTokens(text);
      return room < 0 && i > 0;
    });
    return from < 0 ? [...found] : found.slice(0, from);
  }
}

function searchOptions(tool: FileSearchTool) {
  const { filters, ranking_options } = tool;
  return { filters, ranking_options, max_num_results: resultLimit(tool) };
}

function readQueries(args: string): string[] | undefined {
  try {
    return argumentsSchema.parse(JSON.parse(args)).map((text) => text.slice(0, MAX_QUERY));
  } catch {
    return undefined;
  }
}
