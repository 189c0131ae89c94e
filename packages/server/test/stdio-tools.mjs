/** An MCP server as a program, for tests: it says its process id, and the one variable that it was given. */

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';

const server = new McpServer({ name: 'program', version: '1' });
const answer = () => `${process.pid} ${process.env['GIVEN']} ${process.env['SECRET'] ?? 'nothing'}`;
server.registerTool('who', {}, () => ({ content: [{ type: 'text', text: answer() }] }));
await server.connect(new StdioServerTransport());
