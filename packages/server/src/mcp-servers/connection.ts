/** A connection to an MCP server that the operator has named: what tools it has, and calls of them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { checkEgress } from '@steelyard/core/node';
import type { McpList } from '../schemas/tool-items.ts';
import type { McpServerConfig } from './config.ts';

/** Pages of a list of tools that are read. */
const MAX_PAGES = 20;
/** Characters of a result; more is cut, and said to be. */
const MAX_RESULT = 200_000;
/** Milliseconds that the end of a session may take. */
const FAREWELL_MS = 1_000;
/** Milliseconds; the signal of each request ends it before. */
const NO_TIMEOUT = 2 ** 31 - 1;

export type ListedTool = McpList['tools'][number];

export interface ToolResult {
  readonly text: string;
  /** Told by the tool itself. */
  readonly isError: boolean;
}

export interface Target {
  readonly label: string;
  readonly config: McpServerConfig;
  /** All that are sent, where it is reached over HTTP. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of this server. */
  readonly version: string;
}

export class Connection {
  readonly #client: Client;
  readonly #transport: Transport;
  #isClosed = false;

  private constructor(client: Client, transport: Transport) {
    this.#client = client;
    this.#transport = transport;
    client.onclose = () => (this.#isClosed = true);
    // What fails is told by the request that failed.
    client.onerror = () => undefined;
  }

  /** @throws EgressForbiddenError, or why it cannot be reached */
  static async open(target: Target, signal: AbortSignal): Promise<Connection> {
    const client = new Client({ name: 'steelyard', version: target.version });
    const transport = transportTo(target);
    const connection = new Connection(client, transport);
    await client.connect(transport, { signal, timeout: NO_TIMEOUT });
    return connection;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#client.ping({ signal, timeout: NO_TIMEOUT });
  }

  async tools(signal: AbortSignal): Promise<ListedTool[]> {
    const listed: ListedTool[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const { tools, nextCursor } = await this.#client.listTools(cursor === undefined ? {} : { cursor }, {
        signal,
        timeout: NO_TIMEOUT,
      });
      for (const { name, description, inputSchema, annotations } of tools) {
        listed.push({
          name,
          description: description ?? null,
          input_schema: inputSchema,
          annotations: annotations ?? null,
        });
      }
      if (nextCursor === undefined) break;
      cursor = nextCursor;
    }
    return listed;
  }

  /** @throws McpError where the server refuses the call */
  async call(name: string, args: Record<string, unknown>, signal: AbortSignal): Promise<ToolResult> {
    const options = { signal, timeout: NO_TIMEOUT };
    const result = await this.#client.callTool({ name, arguments: args }, undefined, options);
    const { content, structuredContent, isError } = result;
    const parts = (Array.isArray(content) ? content : []) as readonly ContentPart[];
    const text = parts.map(textOf).join('\n');
    const whole = text === '' && structuredContent ? JSON.stringify(structuredContent) : text;
    return { text: cut(whole), isError: isError === true };
  }

  async close(): Promise<void> {
    // A server that keeps a session may forget it.
    if (this.#transport instanceof StreamableHTTPClientTransport)
      await Promise.race([
        this.#transport.terminateSession().catch(() => undefined),
        sleep(FAREWELL_MS, undefined, { ref: false }),
      ]);
    await this.#client.close();
  }
}

function transportTo({ label, config, headers }: Target): Transport {
  if ('url' in config) {
    // A redirect would lead where nobody has said that it may.
    const send: typeof fetch = (url, init) => fetch(url, { ...init, redirect: 'error' });
    return new StreamableHTTPClientTransport(new URL(config.url), {
      fetch: send,
      requestInit: { headers: { ...headers } },
      reconnectionOptions: {
        ...{ initialReconnectionDelay: 1_000, maxReconnectionDelay: 5_000 },
        ...{ reconnectionDelayGrowFactor: 2, maxRetries: 1 },
      },
    });
  }
  // What a program does is out of this process's sight.
  if (!config.local) checkEgress(`the MCP server '${label}', which is a program not marked local`);
  const { command, args = [], env = {}, cwd } = config;
  return new StdioClientTransport({
    ...{ command, args, env: { ...getDefaultEnvironment(), ...env }, stderr: 'ignore' },
    ...(cwd === undefined ? {} : { cwd }),
  });
}

interface ContentPart {
  readonly type: string;
  readonly text?: string;
  readonly mimeType?: string;
  readonly uri?: string;
  readonly resource?: { readonly uri: string; readonly text?: string };
}

/** What a text model can take of it. */
function textOf({ type, text, mimeType, uri, resource }: ContentPart): string {
  if (type === 'text') return text ?? '';
  if (type === 'resource') return resource?.text ?? `[resource ${resource?.uri ?? ''}]`;
  if (type === 'resource_link') return `[resource ${uri ?? ''}]`;
  return `[${type}${mimeType ? ` of type ${mimeType}` : ''}]`;
}

function cut(text: string): string {
  if (text.length <= MAX_RESULT) return text;
  return `${text.slice(0, MAX_RESULT)}\n[cut: ${text.length - MAX_RESULT} characters more]`;
}
