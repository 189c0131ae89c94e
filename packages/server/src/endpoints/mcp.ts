/** `POST /mcp`: this server as an MCP server, over streamable HTTP without sessions: each request stands for itself. */

import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { z } from 'zod';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { mcpServer } from '../mcp/tools.ts';

const messageSchema = z.looseObject({ jsonrpc: z.literal('2.0') });

export const mcp = defineEndpoint({
  method: 'POST',
  path: '/mcp',
  summary: 'Messages of the Model Context Protocol: tools to list models, generate, embed and rerank.',
  // Each tool asks for the scope of what it does.
  access: 'any',
  request: z.union([messageSchema, z.array(messageSchema).min(1).max(16)]),
  response: messageSchema,
  async handle(call: Call<unknown>) {
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
    const server = mcpServer(call);
    await server.connect(transport);
    try {
      return await transport.handleRequest(call.request, { parsedBody: call.body });
    } finally {
      await server.close();
    }
  },
});
