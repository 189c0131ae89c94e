/** What this server offers to MCP clients: its own endpoints as tools, under the caller's name and with every check of theirs. */

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { checkScope } from '../access/scopes.ts';
import type { Call, Endpoint } from '../endpoint.ts';
import { linkedSignal } from '../admission.ts';
import { chatCompletions } from '../endpoints/chat-completions.ts';
import { embeddings } from '../endpoints/embeddings.ts';
import { listModels } from '../endpoints/models.ts';
import { rerank } from '../endpoints/rerank.ts';
import { toApiError } from '../http/api-error.ts';
import { validate } from '../http/validate.ts';
import { routeCall } from '../upstreams/route-call.ts';
import type { ChatResponse } from '../schemas/chat-response.ts';

const model = z.string().describe('Name of a model that list_models gives.');

/** A server for one client. @param call what it asks comes as this one */
export function mcpServer(call: Call<unknown>): McpServer {
  const server = new McpServer({ name: 'steelyard', version: call.services.version });
  const ask = (endpoint: Endpoint, extra: Extra, body?: unknown) =>
    result(() => answerOf(call, extra, endpoint, body));
  server.registerTool(
    'list_models',
    {
      description: 'Models that answer here, and those that make vectors.',
      annotations: { readOnlyHint: true },
    },
    (extra: Extra) => ask(listModels, extra),
  );
  server.registerTool(
    'generate',
    {
      description: 'The answer of a model to a prompt.',
      inputSchema: {
        model,
        prompt: z.string().describe('What to answer.'),
        system: z.string().optional().describe('How to answer.'),
        max_tokens: z.number().optional().describe('Tokens of the answer at most.'),
        temperature: z.number().optional().describe('0 for the likeliest answer; default 1.'),
      },
    },
    ({ prompt, system, ...rest }, extra) => {
      const messages = [
        ...(system ? [{ role: 'system', content: system }] : []),
        { role: 'user', content: prompt },
      ];
      return result(async () => {
        const answer = await answerOf(call, extra, chatCompletions, { ...rest, messages });
        return (answer as ChatResponse).choices[0]!.message.content ?? '';
      });
    },
  );
  server.registerTool(
    'embed',
    {
      description: 'Vectors of texts.',
      inputSchema: { model, input: z.array(z.string()).describe('The texts.') },
      annotations: { readOnlyHint: true },
    },
    (body, extra) => ask(embeddings, extra, body),
  );
  server.registerTool(
    'rerank',
    {
      description: 'Documents in the order of their relevance to a query.',
      inputSchema: {
        model,
        query: z.string(),
        documents: z.array(z.string()),
        top_n: z.number().optional().describe('How many to give; default all.'),
      },
      annotations: { readOnlyHint: true },
    },
    (body, extra) => ask(rerank, extra, body),
  );
  return server;
}

/** Of one message: it may be taken back. */
interface Extra {
  readonly signal: AbortSignal;
}

/** @throws ApiError 403 beyond the caller's scopes; as the endpoint does */
async function answerOf(
  call: Call<unknown>,
  extra: Extra,
  endpoint: Endpoint,
  body: unknown,
): Promise<unknown> {
  checkScope(call.caller, endpoint);
  const checked = endpoint.request ? validate(endpoint.request, body) : undefined;
  const { signal, abort } = linkedSignal([call.signal, extra.signal]);
  try {
    const response = await routeCall(endpoint, { ...call, signal, body: checked, params: {}, query: {} });
    return await response.json();
  } finally {
    abort();
  }
}

interface ToolResult {
  [key: string]: unknown;
  content: { type: 'text'; text: string }[];
  isError?: boolean;
}

/** What goes wrong is told to the model, which may do better. */
async function result(work: () => Promise<unknown>): Promise<ToolResult> {
  const text = (value: string) => [{ type: 'text' as const, text: value }];
  try {
    const value = await work();
    return { content: text(typeof value === 'string' ? value : JSON.stringify(value)) };
  } catch (error) {
    return { content: text(toApiError(error).message), isError: true };
  }
}
