/** Tools of an MCP server: listed, offered to the model, called for it once that is allowed, and noted in the audit log. */

import { createHash } from 'node:crypto';
import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { EgressForbiddenError } from '@steelyard/core/node';
import type { ChatMessage } from '@steelyard/text';
import { newCallId } from '../chat-options.ts';
import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import type { ListedTool } from '../mcp-servers/connection.ts';
import { ownHeaders, type Lent, type McpServer } from '../mcp-servers/mcp-servers.ts';
import { newItemId } from '../responses/item-ids.ts';
import type { McpTool } from '../schemas/server-tools.ts';
import type { ApprovalRequest, McpCall, McpList } from '../schemas/tool-items.ts';
import { isAllowed, needsApproval, refuseUnsupportedMcp } from './mcp-rules.ts';
import type { CallEnd, ItemStep, LoopStart, RunningCall, ServerTool, ToolSource } from './server-tool.ts';
import { cutToFit } from './fit.ts';
import { watchTool } from './watch-tool.ts';
import { within } from './within.ts';

export const MCP_CALL_ACTION = 'tool.called';

export interface McpPlan {
  readonly tool: McpTool;
  /** Path of the tool in the request. */
  readonly at: string;
  /** Its list, where an earlier answer has it. */
  readonly listed?: McpList | undefined;
  /** Calls that the caller has approved just now. */
  readonly approved: readonly ApprovalRequest[];
  /** Calls that need approval are the caller's to make. Default: they wait for it. */
  readonly handsOver?: boolean;
}

/** @throws ApiError for what is not supported, a server that is not configured, or one not to be told of this request's data */
export function mcpTools(call: Call<unknown>, plan: McpPlan): ToolSource {
  refuseUnsupportedMcp(plan.tool, plan.at);
  const server = call.services.mcpServers.find(call, plan.tool, plan.at);
  return new McpSource(call, server, plan, ownHeaders(server, plan.tool, plan.at));
}

class McpSource implements ToolSource {
  readonly #call: Call<unknown>;
  readonly #server: McpServer;
  readonly #plan: McpPlan;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #tools = new Map<string, ListedTool>();
  #lent: Promise<Lent> | undefined;
  #cut = (text: string): string => text;

  constructor(
    call: Call<unknown>,
    server: McpServer,
    plan: McpPlan,
    headers: Readonly<Record<string, string>>,
  ) {
    this.#call = call;
    this.#server = server;
    this.#plan = plan;
    this.#headers = headers;
  }

  async *open(start: LoopStart): AsyncGenerator<ItemStep, readonly ServerTool[]> {
    const { signal } = start;
    this.#cut = (text) => cutToFit(text, start);
    const { listed } = this.#plan;
    const tools = listed ? listed.tools : yield* this.#list(signal);
    const { config } = this.#server;
    for (const tool of tools) if (isAllowed(tool, this.#plan.tool, config)) this.#tools.set(tool.name, tool);
    return [...this.#tools.values()].map((tool) => this.#toServerTool(tool));
  }

  /** Runs what was approved, as if the model had called it now. */
  async *first({ messages, nameOf, signal }: LoopStart): AsyncGenerator<ItemStep, readonly ChatMessage[]> {
    const said = [...messages];
    for (const { id: approval, name, arguments: args } of this.#plan.approved) {
      const running = new McpRun(this.#runner(name), { ...this.#facts(name), approval });
      yield* running.begin();
      yield* running.grow(args);
      const end = yield* running.run(args, signal);
      if (end === 'waits') continue;
      const id = newCallId();
      const known = nameOf({ type: 'mcp', server_label: this.#server.label, name });
      const call = { id, type: 'function' as const, function: { name: known, arguments: args } };
      said.push({ role: 'assistant', content: null, tool_calls: [call] });
      said.push({ role: 'tool', content: end.output, tool_call_id: id });
    }
    return said;
  }

  async close(): Promise<void> {
    const lent = this.#lent;
    this.#lent = undefined;
    (await lent)?.release();
  }

  async *#list(signal: AbortSignal): AsyncGenerator<ItemStep, readonly ListedTool[]> {
    const empty: McpList = {
      id: newItemId('mcp_list_tools'),
      type: 'mcp_list_tools',
      server_label: this.#server.label,
      tools: [],
      error: null,
    };
    yield { added: empty };
    yield { event: { type: 'response.mcp_list_tools.in_progress' } };
    try {
      const all = await this.#ask(signal, (lent, until) => lent.connection.tools(until));
      const tools = all.filter((tool) => isAllowed(tool, this.#plan.tool, this.#server.config));
      yield { event: { type: 'response.mcp_list_tools.completed' } };
      yield { done: { ...empty, tools } };
      return tools;
    } catch (error) {
      if (signal.aborted) throw error;
      yield { event: { type: 'response.mcp_list_tools.failed' } };
      yield { done: { ...empty, error: this.#told(error) } };
      return [];
    }
  }

  #toServerTool(tool: ListedTool): ServerTool {
    const { label, config } = this.#server;
    const waits = needsApproval(tool, this.#plan.tool, config);
    return {
      source: { type: 'mcp', server_label: label },
      name: tool.name,
      prefix: label,
      description: [tool.description, this.#plan.tool.server_description].filter(Boolean).join('\n'),
      parameters: tool.input_schema,
      ...(waits && this.#plan.handsOver ? { isCallers: true } : {}),
      call: () =>
        waits
          ? new HeldCall(this.#facts(tool.name))
          : new McpRun(this.#runner(tool.name), this.#facts(tool.name)),
    };
  }

  #facts(name: string): CallFacts {
    return { server_label: this.#server.label, name, cut: (text) => this.#cut(text) };
  }

  /** Runs one call. @throws only when the signal aborts */
  #runner(name: string): Runner {
    return async (args, signal) => {
      const ended = watchTool(this.#call, { name, source: this.#server.label });
      const end = await this.#outcome(name, args, signal);
      const outcome = end.error === undefined ? 'completed' : 'failed';
      ended(outcome);
      await this.#note(name, args, outcome);
      if (signal.aborted) throw signal.reason;
      return end;
    };
  }

  async #outcome(name: string, args: string, signal: AbortSignal): Promise<Outcome> {
    if (!this.#tools.has(name)) return { error: `The tool '${name}' is not among those that may be called.` };
    const read = readArguments(args);
    if (!read) return { error: 'The arguments are no JSON object.' };
    try {
      const { text, isError } = await this.#ask(signal, (lent, until) =>
        lent.connection.call(name, read, until),
      );
      return isError ? { error: text || 'The tool failed.' } : { output: text };
    } catch (error) {
      return { error: this.#told(error) };
    }
  }

  /** Connects at the first question. */
  #ask<T>(signal: AbortSignal, question: (lent: Lent, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { mcpServers, limits } = this.#call.services;
    const ms = this.#server.config.timeout_ms ?? limits.toolMs;
    return within(ms, signal, async (until) => {
      this.#lent ??= mcpServers.connect(this.#server, this.#call.caller.project, this.#headers, until);
      let lent: Lent;
      try {
        lent = await this.#lent;
      } catch (error) {
        this.#lent = undefined;
        throw error;
      }
      return question(lent, until);
    });
  }

  /** What the model and the caller hear of a failure: what the server itself says, and no more of what lies behind it. */
  #told(error: unknown): string {
    if (error instanceof ApiError || error instanceof McpError) return error.message;
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      if (cause instanceof EgressForbiddenError) return cause.message;
    const { services, requestId, signal } = this.#call;
    if (!signal.aborted) services.reportError(error, requestId);
    return `The MCP server '${this.#server.label}' cannot be reached, or does not answer as one. Its operator can see why.`;
  }

  /** That it was called, by whom and how it ended; a digest, never what was said. */
  async #note(name: string, args: string, outcome: 'completed' | 'failed'): Promise<void> {
    const { services, caller, requestId } = this.#call;
    if (!services.keeps) return;
    const { audit } = await services.storage();
    await audit.append({
      action: MCP_CALL_ACTION,
      project: caller.project,
      actor: caller.keyId,
      subject: requestId,
      details: {
        server: this.#server.label,
        tool: name,
        arguments: `sha256:${createHash('sha256').update(args).digest('hex')}`,
        outcome,
      },
    });
  }
}

type Outcome =
  { readonly output: string; readonly error?: never } | { readonly error: string; readonly output?: never };
type Runner = (args: string, signal: AbortSignal) => Promise<Outcome>;

interface CallFacts {
  readonly server_label: string;
  readonly name: string;
  /** Id of the request that was approved. */
  readonly approval?: string;
  /** What the model is shown of a result. */
  readonly cut: (text: string) => string;
}

/** A call that is made. */
class McpRun implements RunningCall {
  readonly #runner: Runner;
  readonly #item: McpCall;
  readonly #cut: CallFacts['cut'];
  #written = '';

  constructor(runner: Runner, { server_label, name, approval, cut }: CallFacts) {
    this.#runner = runner;
    this.#cut = cut;
    this.#item = {
      id: newItemId('mcp_call'),
      type: 'mcp_call',
      status: 'in_progress',
      ...{ server_label, name, arguments: '' },
      ...{ output: null, error: null, approval_request_id: approval ?? null },
    };
  }

  begin(): readonly ItemStep[] {
    return [{ added: this.#item }, { event: { type: 'response.mcp_call.in_progress' } }];
  }

  grow(delta: string): readonly ItemStep[] {
    this.#written += delta;
    return [{ event: { type: 'response.mcp_call_arguments.delta', delta } }];
  }

  cut(): readonly ItemStep[] {
    return [{ done: { ...this.#item, arguments: this.#written, status: 'incomplete' } }];
  }

  async *run(args: string, signal: AbortSignal): AsyncGenerator<ItemStep, CallEnd> {
    yield { event: { type: 'response.mcp_call_arguments.done', arguments: args } };
    const { output, error } = await this.#runner(args, signal);
    const whole = { ...this.#item, arguments: args };
    if (error !== undefined) {
      yield { event: { type: 'response.mcp_call.failed' } };
      yield { done: { ...whole, status: 'failed', error } };
      return { output: this.#cut(`Error: ${error}`) };
    }
    yield { event: { type: 'response.mcp_call.completed' } };
    yield { done: { ...whole, status: 'completed', output } };
    return { output: this.#cut(output) };
  }
}

/** A call that the caller is asked about first. */
class HeldCall implements RunningCall {
  readonly #facts: CallFacts;

  constructor(facts: CallFacts) {
    this.#facts = facts;
  }

  begin(): readonly ItemStep[] {
    return [];
  }

  grow(): readonly ItemStep[] {
    return [];
  }

  cut(): readonly ItemStep[] {
    return [];
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- one shape for all calls
  async *run(args: string): AsyncGenerator<ItemStep, CallEnd> {
    const { server_label, name } = this.#facts;
    const item: ApprovalRequest = {
      id: newItemId('mcp_approval_request'),
      type: 'mcp_approval_request',
      ...{ server_label, name, arguments: args },
    };
    yield { added: item };
    yield { done: item };
    return 'waits';
  }
}

function readArguments(args: string): Record<string, unknown> | undefined {
  try {
    const read: unknown = JSON.parse(args === '' ? '{}' : args);
    const isObject = typeof read === 'object' && read !== null && !Array.isArray(read);
    return isObject ? (read as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
