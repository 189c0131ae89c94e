/** Connections to MCP servers: whose they are, how long they last, and where they do not lead. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { EgressForbiddenError, forbidEgress } from '@steelyard/core/node';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startToolServer, type ToolServer } from '../../test/mcp-server.ts';
import type { Call } from '../endpoint.ts';
import { Lifecycle } from '../lifecycle.ts';
import { parseMcpServers } from './config.ts';
import { McpServers } from './mcp-servers.ts';

const program = fileURLToPath(new URL('../../test/stdio-tools.mjs', import.meta.url));
const signal = new AbortController().signal;
const call = {
  request: new Request('http://localhost/'),
  caller: { project: 'a' },
  body: {},
} as Call<unknown>;

let tools: ToolServer;
let redirecting: Server;
/** Requests that came where a redirect leads. */
let led = 0;
let servers: McpServers;
beforeAll(async () => {
  vi.stubEnv('SECRET', 'of the process');
  tools = await startToolServer();
  redirecting = createServer(({ url }, response) => {
    if (url !== '/mcp') led++;
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  redirecting.listen(0, '127.0.0.1');
  await once(redirecting, 'listening');
  const { port } = redirecting.address() as AddressInfo;
  const command = { command: process.execPath, args: [program], env: { GIVEN: 'given' } };
  const config = {
    ...{ numbers: { url: tools.url }, program: { ...command, local: true }, stranger: command },
    ...{
      moved: { url: `http://127.0.0.1:${port}/mcp`, projects: ['a'] },
      away: { url: 'https://mcp.example/' },
    },
  };
  servers = new McpServers(parseMcpServers({ mcpServers: config }, 'test'), {
    ...{ env: {}, version: '1', lifecycle: new Lifecycle(1), routing: undefined },
  });
});
afterAll(async () => {
  await servers.close();
  await tools.close();
  redirecting.close();
  vi.unstubAllEnvs();
});

const find = (server_label: string) => servers.find(call, { type: 'mcp', server_label }, 'tools[0]');
const connect = (label: string, project = 'a', own = {}) =>
  servers.connect(find(label), project, own, signal);
const who = async (project: string) => {
  const { connection, release } = await connect('program', project);
  const { text } = await connection.call('who', {}, signal);
  release();
  return text.split(' ');
};

it('are one for a project, and another for others', async () => {
  const [first, given, secret] = await who('a');
  expect([given, secret]).toEqual(['given', 'nothing']);
  expect((await who('a'))[0]).toBe(first);
  expect((await who('b'))[0]).not.toBe(first);
});

it('are made anew when the server is gone', async () => {
  const [pid] = await who('a');
  process.kill(Number(pid));
  expect((await who('a'))[0]).not.toBe(pid);
});

it("that bear a caller's headers are no one else's", async () => {
  const shared = await connect('numbers');
  const again = await connect('numbers');
  expect(again.connection).toBe(shared.connection);
  const own = await connect('numbers', 'a', { authorization: 'Bearer mine' });
  expect(own.connection).not.toBe(shared.connection);
  own.release();
  await expect.poll(() => own.connection.isClosed).toBe(true);
  again.release();
  shared.release();
  expect(shared.connection.isClosed).toBe(false);
});

it('follow no redirect', async () => {
  await expect(connect('moved')).rejects.toThrow();
  expect(led).toBe(0);
});

it('lead to no other machine where that is forbidden, nor to programs that might', async () => {
  const allow = forbidEgress();
  try {
    const error = await connect('away').catch((thrown: unknown) => thrown);
    expect(rootOf(error)).toBeInstanceOf(EgressForbiddenError);
    await expect(connect('stranger')).rejects.toThrow(/'stranger', which is a program not marked local/);
    const { connection, release } = await connect('program', 'c');
    expect(await connection.tools(signal)).toHaveLength(1);
    release();
  } finally {
    allow();
  }
});

it('are there for the projects that the operator names', () => {
  expect(find('moved').label).toBe('moved');
  const other = { ...call, caller: { ...call.caller, project: 'b' } };
  const find_it = () => servers.find(other, { type: 'mcp', server_label: 'moved' }, 'tools[0]');
  expect(find_it).toThrow(/No MCP server 'moved' is configured here; there are: 'numbers', 'program', /);
  expect(find_it).not.toThrow(/are: .*'moved'/);
});

it('can be given up while they are opened', async () => {
  await expect(
    servers.connect(find('numbers'), 'd', {}, AbortSignal.abort(new Error('enough'))),
  ).rejects.toThrow('enough');
});

function rootOf(error: unknown): unknown {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof EgressForbiddenError) return at;
  return error;
}
