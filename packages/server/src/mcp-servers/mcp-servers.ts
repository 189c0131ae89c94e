/**
 * The MCP servers that the operator has configured, by label, and connections to them. A connection is one project's: what
 * a server remembers of a session is shown to nobody else. It stays open for a while, unless it bears a caller's headers.
 */

import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { McpTool } from '../schemas/server-tools.ts';
import { within } from '../tool-loop/within.ts';
import type { Routing } from '../upstreams/config.ts';
import { dataLabels, holdingLabel } from '../upstreams/data-labels.ts';
import { readKey, type Environment } from '../upstreams/read-key.ts';
import type { McpServerConfig, McpServersConfig } from './config.ts';
import { Connection, type Target } from './connection.ts';

const IDLE_MS = 5 * 60_000;
const PING_MS = 5_000;
const OPEN_MS = 30_000;
/** Headers that are the transport's own. */
const RESERVED = /^(host|connection|content-.*|transfer-encoding|accept|mcp-.*|last-event-id|te|upgrade)$/i;

export interface McpServer {
  readonly label: string;
  readonly config: McpServerConfig;
  /** Sent with every request to it. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Lent {
  readonly connection: Connection;
  /** Harmless when repeated. */
  readonly release: () => void;
}

interface Kept {
  readonly opened: Promise<Connection>;
  users: number;
  timer?: NodeJS.Timeout;
}

export interface McpServersOptions {
  readonly env: Environment;
  readonly version: string;
  readonly lifecycle: Lifecycle;
  readonly routing: Routing | undefined;
}

export class McpServers {
  readonly #servers: ReadonlyMap<string, McpServer>;
  readonly #version: string;
  readonly #routing: Routing | undefined;
  readonly #kept = new Map<string, Kept>();

  /** @throws RequestError for a token that is not there */
  constructor(config: McpServersConfig, { env, version, lifecycle, routing }: McpServersOptions) {
    this.#servers = new Map(
      Object.entries(config).map(([label, one]) => [
        label,
        { label, config: one, headers: headersOf(label, one, env) },
      ]),
    );
    this.#version = version;
    this.#routing = routing;
    lifecycle.atEnd(() => this.close());
  }

  /**
   * The server that a request's tool names.
   * @param at path of the tool in the request
   * @throws ApiError 400 for one that is not configured, or not so; 403 for data that must not go there
   */
  find(call: Call<unknown>, tool: McpTool, at: string): McpServer {
    const { server_label: label, server_url: url } = tool;
    const isFor = ({ config: { projects } }: McpServer) => projects?.includes(call.caller.project) ?? true;
    const own = [...this.#servers.values()].filter(isFor);
    const server = own.find((one) => one.label === label);
    const bad = (field: string, message: string) =>
      new ApiError(400, message, { param: `${at}.${field}`, code: 'invalid_value' });
    if (!server) {
      const known = own.map((one) => `'${one.label}'`).join(', ') || 'none';
      throw bad(
        'server_label',
        `No MCP server '${label}' is configured here; there are: ${known}. This server connects to those of its operator alone.`,
      );
    }
    if (typeof url === 'string' && !isAt(server, url)) {
      throw bad(
        'server_url',
        `The MCP server '${label}' is configured with another address. Leave 'server_url' out, or ask the operator for it.`,
      );
    }
    this.#checkStays(call, server);
    return server;
  }

  /**
   * Connects, or gives the connection that the project has.
   * @param own headers of this request alone
   * @throws why it cannot be reached
   */
  async connect(
    server: McpServer,
    project: string,
    own: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Lent> {
    const { label, config } = server;
    const target = { label, config, headers: { ...server.headers, ...own }, version: this.#version };
    if (Object.keys(own).length === 0) return this.#lend(`${label} ${project}`, target, signal);
    const connection = await Connection.open(target, signal);
    return { connection, release: () => void connection.close().catch(() => undefined) };
  }

  async close(): Promise<void> {
    const all = [...this.#kept.values()];
    this.#kept.clear();
    for (const { timer } of all) clearTimeout(timer);
    await Promise.allSettled(all.map(async ({ opened }) => (await opened).close()));
  }

  async #lend(key: string, target: Target, signal: AbortSignal): Promise<Lent> {
    const before = this.#kept.get(key);
    const alive = before && (await isAlive(before.opened, signal));
    if (before && !alive && this.#kept.get(key) === before) this.#drop(key, before);
    const now = this.#kept.get(key);
    // Others may come to wait for it too, so it does not end with this request.
    const kept = now ?? { opened: Connection.open(target, AbortSignal.timeout(OPEN_MS)), users: 0 };
    if (!now) this.#kept.set(key, kept);
    clearTimeout(kept.timer);
    kept.users++;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      if (--kept.users > 0 || this.#kept.get(key) !== kept) return;
      kept.timer = setTimeout(() => this.#drop(key, kept), IDLE_MS).unref();
    };
    try {
      return { connection: await unless(signal, kept.opened), release };
    } catch (error) {
      release();
      if (!signal.aborted) this.#drop(key, kept);
      throw error;
    }
  }

  #drop(key: string, kept: Kept): void {
    clearTimeout(kept.timer);
    if (this.#kept.get(key) === kept) this.#kept.delete(key);
    kept.opened.then((connection) => connection.close()).catch(() => undefined);
  }

  #checkStays(call: Call<unknown>, { label, config }: McpServer): void {
    if (config.local) return;
    const held = holdingLabel(dataLabels(call, this.#routing?.projects), this.#routing?.labels);
    if (held === undefined) return;
    throw new ApiError(
      403,
      `This request's data is labelled '${held}', and the MCP server '${label}' is not marked local: it may not be told of it.`,
      { param: 'tools', code: 'must_stay' },
    );
  }
}

/** @throws ApiError 400 for headers that are not the caller's to set */
export function ownHeaders({ config, label, headers }: McpServer, tool: McpTool, at: string) {
  const given = Object.entries(tool.headers ?? {});
  const bad = (field: string, message: string) =>
    new ApiError(400, message, { param: `${at}.${field}`, code: 'invalid_value' });
  const own: Record<string, string> = {};
  const set = (field: string, name: string, value: string) => {
    const isSet = Object.keys(headers).some((one) => one.toLowerCase() === name.toLowerCase());
    if (!('url' in config))
      throw bad(field, `The MCP server '${label}' is a program, which takes no headers.`);
    if (isSet || RESERVED.test(name))
      throw bad(field, `The header '${name}' is not the caller's to set. Remove it.`);
    try {
      new Headers({ [name]: value });
    } catch {
      throw bad(field, `Invalid '${at}.${field}': it is no header of HTTP.`);
    }
    own[name] = value;
  };
  for (const [name, value] of given) set('headers', name, value);
  if (tool.authorization) set('authorization', 'authorization', `Bearer ${tool.authorization}`);
  return own;
}

function headersOf(label: string, config: McpServerConfig, env: Environment): Record<string, string> {
  if (!('url' in config)) return {};
  const key = readKey(`MCP server '${label}'`, config, env, 'mcpServers');
  return { ...config.headers, ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) };
}

function isAt({ config }: McpServer, url: string): boolean {
  return 'url' in config && URL.canParse(url) && new URL(url).href === new URL(config.url).href;
}

/** Whether a connection still answers; one that nobody answers is no reason to wait. */
async function isAlive(opened: Promise<Connection>, signal: AbortSignal): Promise<boolean> {
  try {
    const connection = await opened;
    if (connection.isClosed) return false;
    await within(PING_MS, signal, (until) => connection.ping(until));
    return true;
  } catch {
    return false;
  }
}

/** @throws the signal's reason, when it aborts first */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let end = () => {};
  const aborted = new Promise<never>((_, reject) => {
    end = () => reject(signal.reason as Error);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
