import { CLIENT, curl, type Group } from './group.ts';

export const mcp: Group = {
  slug: 'mcp',
  title: 'Model Context Protocol',
  text:
    'For agents that take tools from MCP servers: point them at /mcp (streamable HTTP, without sessions), or have them start ' +
    '`steelyard mcp`, which speaks over standard streams. Tools list models, generate, embed and rerank, each with the ' +
    'scopes that its endpoint asks of the key. The other way round, models here call tools of the MCP servers that the ' +
    'operator configures (`steelyard serve --mcp mcp.json`, in the form that editors have: `{"mcpServers": {"files": ' +
    '{"command": "..."}, "wiki": {"url": "https://..."}}}`): in /v1/responses by the tool `mcp` with the `server_label` of ' +
    'one of them, as OpenAI has it, with `allowed_tools`, `require_approval` and items for lists, calls and approvals. ' +
    'Requests reach no other servers; a `server_url` must be the configured one. The operator may set `allowed_tools`, ' +
    '`projects`, `require_approval: "always"`, `key_env` or `key_file` of a token, `timeout_ms`, and `local: true` for servers that tell ' +
    'nobody what they are told: only those get data that is labelled, and only such programs run with --no-egress. ' +
    'Calls are noted in the audit log with a digest of their arguments. In /v1/chat/completions the same tool is an ' +
    'extension: calls that need no approval are made within the answer; all others come as ordinary tool calls, and so do ' +
    'those of functions, by which the answer ends.',
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
    {
      title: 'Tools of another server in a response (steelyard serve --mcp numbers=URL)',
      language: 'js',
      code: `${CLIENT}
const tools = [{ type: 'mcp', server_label: 'numbers', allowed_tools: ['add'] }];
let response = await client.responses.create({ model: 'MODEL', input: 'What is 2 + 3?', tools });
const request = response.output.find(({ type }) => type === 'mcp_approval_request');
if (request) {
  console.log('approved:', request.name, request.arguments);
  response = await client.responses.create({
    model: 'MODEL',
    previous_response_id: response.id,
    tools,
    input: [{ type: 'mcp_approval_response', approval_request_id: request.id, approve: true }],
  });
}
console.log(response.output_text);`,
    },
    {
      title: 'The same in a chat, without asking',
      language: 'js',
      code: `${CLIENT}
const answer = await client.chat.completions.create({
  model: 'MODEL',
  messages: [{ role: 'user', content: 'What is 2 + 3?' }],
  tools: [{ type: 'mcp', server_label: 'numbers', require_approval: 'never' }],
});
console.log(answer.choices[0].message.content);`,
    },
  ],
};
