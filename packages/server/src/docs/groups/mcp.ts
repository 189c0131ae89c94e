import { curl, type Group } from './group.ts';

export const mcp: Group = {
  slug: 'mcp',
  title: 'Model Context Protocol',
  text:
    'For agents that take tools from MCP servers: point them at /mcp (streamable HTTP, without sessions). Tools list ' +
    'models, generate, embed and rerank, with the rights of the key that the client sends.',
  paths: ['/mcp'],
  examples: [
    {
      title: 'What tools there are',
      language: 'sh',
      code: curl('/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/list' }).replace(
        "  -d '",
        "  -H 'accept: application/json, text/event-stream' \\\n  -d '",
      ),
    },
  ],
};
