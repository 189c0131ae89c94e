/** What of a server's options a person writes down, for programs that read it before they make a server. */

export { joinMcpServers, parseMcpServers, type McpServersConfig } from './mcp-servers/config.ts';
export { DEFAULT_LIMITS } from './options.ts';
export { parseRouting, routingSchema, type Routing } from './upstreams/config.ts';
