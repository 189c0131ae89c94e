/** MCP servers whose tools models here may call: as a person writes them down, in the form that editors have as well. */

import { RequestError } from '@steelyard/core';
import { isThisMachine } from '@steelyard/core/node';
import { z } from 'zod';
import { paramPath } from '../http/validate.ts';
import { serverLabelSchema } from '../schemas/server-tools.ts';

const texts = z.record(z.string(), z.string());

const commonFields = {
  /** Names of tools that may be called. Default: all that it has. */
  allowed_tools: z.array(z.string().min(1)).optional(),
  /** Ids of projects that may use it. Default: all. */
  projects: z.array(z.string().min(1)).optional(),
  /** `always`: callers must approve each call, whatever they ask. Default: as they ask. */
  require_approval: z.literal('always').optional(),
  /** Whether it tells nobody else what it is told, so that data which must stay may go there. Default false. */
  local: z.boolean().default(false),
  /** Milliseconds that a call may take. Default: the server's limit for tools. */
  timeout_ms: z.int().min(1).optional(),
};

const remoteSchema = z.strictObject({
  type: z.enum(['http', 'streamable-http']).optional(),
  /** Of its streamable HTTP transport. */
  url: z.url(),
  headers: texts.optional(),
  /** Name of the environment variable that holds a bearer token. */
  key_env: z.string().min(1).optional(),
  /** File that holds a bearer token. */
  key_file: z.string().min(1).optional(),
  ...commonFields,
});

const commandSchema = z.strictObject({
  type: z.literal('stdio').optional(),
  /** Program that speaks the protocol over its standard streams. */
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  /** Variables of its environment besides the ordinary ones (`PATH`, `HOME`). */
  env: texts.optional(),
  cwd: z.string().min(1).optional(),
  ...commonFields,
});

const fileSchema = z.strictObject({ mcpServers: z.record(serverLabelSchema, z.unknown()) });

export type RemoteMcpServer = z.infer<typeof remoteSchema>;
export type McpCommand = z.infer<typeof commandSchema>;
export type McpServerConfig = RemoteMcpServer | McpCommand;
/** By label. */
export type McpServersConfig = Readonly<Record<string, McpServerConfig>>;

/**
 * @param name of the file, for messages
 * @throws RequestError naming the field that is wrong
 */
export function parseMcpServers(value: unknown, name: string): McpServersConfig {
  const { mcpServers } = parse(fileSchema, value, name);
  const entries = Object.entries(mcpServers).map(([label, given]) => {
    const isCommand = typeof given === 'object' && given !== null && 'command' in given;
    const at = `${name}: mcpServers.${label}`;
    const config = isCommand ? parse(commandSchema, given, at) : parse(remoteSchema, given, at);
    if ('url' in config) checkRemote(config, at);
    return [label, config] as const;
  });
  return Object.fromEntries(entries);
}

/** @throws RequestError for a label that two of them have */
export function joinMcpServers(all: readonly McpServersConfig[]): McpServersConfig {
  const joined: Record<string, McpServerConfig> = {};
  for (const [label, config] of all.flatMap((one) => Object.entries(one))) {
    if (Object.hasOwn(joined, label))
      throw new RequestError(`two MCP servers are labelled '${label}'; requests could not tell them apart`);
    joined[label] = config;
  }
  return joined;
}

function parse<T>(schema: z.ZodType<T>, value: unknown, at: string): T {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const issue = read.error.issues[0]!;
  throw new RequestError(`${at}: ${paramPath(issue.path) || 'the value'}: ${issue.message}`, 'mcpServers');
}

function checkRemote({ url, key_env, key_file, headers = {} }: RemoteMcpServer, at: string): void {
  const { protocol, hostname, username, password } = new URL(url);
  const bad = (message: string) => new RequestError(`${at}: ${message}`, 'mcpServers');
  if (protocol !== 'https:' && !(protocol === 'http:' && isThisMachine(hostname)))
    throw bad('url: expected https, or http to this machine');
  if (username || password) throw bad('url: holds a password; give a token by key_env or key_file');
  if (key_env && key_file) throw bad('has key_env and key_file; expected one');
  if ((key_env ?? key_file) && Object.keys(headers).some((one) => one.toLowerCase() === 'authorization'))
    throw bad('headers.authorization: the token comes from key_env or key_file; expected one of them');
  try {
    new Headers(headers);
  } catch (error) {
    throw bad(`headers: ${(error as Error).message}`);
  }
}
