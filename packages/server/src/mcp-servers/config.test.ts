import { RequestError } from '@steelyard/core';
import { describe, expect, it } from 'vitest';
import { joinMcpServers, parseMcpServers } from './config.ts';

const parse = (servers: object) => parseMcpServers({ mcpServers: servers }, 'mcp.json');

describe('MCP servers as a person writes them', () => {
  it('are reached over HTTP or are programs', () => {
    expect(
      parse({
        files: { command: 'npx', args: ['server-files', '.'], env: { A: 'b' } },
        wiki: { type: 'http', url: 'https://wiki.example/mcp', key_env: 'WIKI_KEY', allowed_tools: ['ask'] },
      }),
    ).toEqual({
      files: { command: 'npx', args: ['server-files', '.'], env: { A: 'b' }, local: false },
      wiki: {
        ...{ type: 'http', url: 'https://wiki.example/mcp', key_env: 'WIKI_KEY' },
        ...{ allowed_tools: ['ask'], local: false },
      },
    });
  });

  it.each<[object, string]>([
    [{ a: {} }, 'mcp.json: mcpServers.a: url: '],
    [{ a: { url: 'wiki' } }, 'mcpServers.a: url: '],
    [{ a: { url: 'http://example.com/' } }, 'mcpServers.a: url: expected https'],
    [{ a: { url: 'https://me:secret@example.com/' } }, 'holds a password'],
    [{ a: { url: 'https://example.com/', key_env: 'A', key_file: 'b' } }, 'key_env and key_file'],
    [{ a: { url: 'https://example.com/', key_env: 'A', headers: { Authorization: 'x' } } }, 'headers.auth'],
    [{ a: { url: 'https://example.com/', headers: { 'a b': 'x' } } }, 'mcpServers.a: headers: '],
    [{ a: { command: 'x', url: 'https://example.com/' } }, 'mcpServers.a: the value: '],
    [{ a: { command: 'x', args: 'y' } }, 'mcpServers.a: args: '],
    [{ a: 1 }, 'mcpServers.a: the value: '],
    [{ '1 a': { command: 'x' } }, 'mcp.json: mcpServers'],
  ])('%j is refused', (servers, message) => {
    expect(() => parse(servers)).toThrow(RequestError);
    expect(() => parse(servers)).toThrow(message);
  });

  it('have labels of their own', () => {
    const [a, b] = [parse({ a: { command: 'x' } }), parse({ b: { command: 'y' } })];
    expect(Object.keys(joinMcpServers([a, b]))).toEqual(['a', 'b']);
    expect(() => joinMcpServers([a, a])).toThrow("two MCP servers are labelled 'a'");
  });
});
