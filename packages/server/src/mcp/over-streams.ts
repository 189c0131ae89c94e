/** The server as an MCP server over a pair of streams, for a program that started it: one client, at this machine. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { ANYBODY } from '../access/caller.ts';
import { linkedSignal } from '../admission.ts';
import type { Services } from '../endpoint.ts';
import { CountedTransport } from './counted-transport.ts';
import { mcpServer } from './tools.ts';

export interface McpStreams {
  readonly input: Readable;
  /** Gets messages of the protocol and nothing else. */
  readonly output: Writable;
}

/** Answers until the input ends, and what was asked by then is answered. */
export async function speakMcp(services: Services, { input, output }: McpStreams): Promise<void> {
  const { signal, abort } = linkedSignal([services.lifecycle.signal]);
  const server = mcpServer({
    body: undefined,
    params: {},
    query: {},
    request: new Request('http://streams.invalid/mcp', { method: 'POST' }),
    requestId: `req_${randomUUID().replaceAll('-', '')}`,
    caller: { ...ANYBODY, label: 'a person at this machine' },
    storage: async () => (await services.storage()).project(ANYBODY.project),
    ...{ signal, services },
  });
  const transport = new CountedTransport(new StdioServerTransport(input, output));
  const over = Promise.race([once(input, 'end'), once(input, 'close')]);
  const stopped = once(signal, 'abort');
  await server.connect(transport);
  try {
    await Promise.race([over.then(() => transport.answered()), stopped]);
  } finally {
    abort();
    await server.close();
  }
}
