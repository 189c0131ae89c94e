/** An MCP server of the protocol's own SDK, over HTTP in this process. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

export interface ToolServer {
  readonly url: string;
  /** Headers of every request, in order. */
  readonly heard: IncomingHttpHeaders[];
  /** Calls by the name of their tool. */
  readonly called: string[];
  /** Calls of `wait` that were given up. */
  readonly cancelled: () => number;
  close(): Promise<void>;
}

export async function startToolServer(): Promise<ToolServer> {
  const heard: IncomingHttpHeaders[] = [];
  const called: string[] = [];
  let cancelled = 0;
  const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
  const make = () => {
    const server = new McpServer({ name: 'numbers', version: '1' });
    const numbers = { a: z.number(), b: z.number() };
    const readOnly = { readOnlyHint: true };
    server.registerTool(
      'add',
      { description: 'Adds two numbers.', inputSchema: numbers, annotations: readOnly },
      ({ a, b }) => {
        called.push('add');
        return text(String(a + b));
      },
    );
    server.registerTool('remove', { description: 'Removes everything.' }, () => {
      called.push('remove');
      return text('gone');
    });
    server.registerTool('fail', { annotations: readOnly }, () => ({
      ...text('out of numbers'),
      isError: true,
    }));
    server.registerTool('wait', { annotations: readOnly }, async ({ signal }) => {
      called.push('wait');
      signal.addEventListener('abort', () => cancelled++, { once: true });
      await sleep(60_000, undefined, { signal });
      return text('late');
    });
    server.registerTool('long', { annotations: readOnly }, () =>
      text(Array.from({ length: 5_000 }, (_, i) => `w${i}`).join(' ')),
    );
    return server;
  };
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const begin = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await make().connect(transport);
    return transport;
  };
  const http = createServer((request, response) => {
    heard.push(request.headers);
    const session = sessions.get(String(request.headers['mcp-session-id']));
    void Promise.resolve(session ?? begin()).then((transport) => transport.handleRequest(request, response));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    heard,
    called,
    cancelled: () => cancelled,
    async close() {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
}
