/** The command as a process: signals, pipes that close early, exit codes. The engine is a stub. */

import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { bundleOf, type Bundle, type Started } from './bundle.ts';

let bundle: Bundle;
beforeAll(async () => (bundle = await bundleOf('stub-main.ts')), 60_000);
afterAll(() => bundle.remove());

const start = (args: readonly string[], env: Record<string, string> = {}): Started => bundle.start(args, env);

function firstOutput(stream: NodeJS.ReadableStream | null): Promise<void> {
  return new Promise((resolve) => stream?.once('data', () => resolve()));
}

function endInput(child: ChildProcess, text: string): void {
  child.stdin?.end(text);
}

describe('steelyard as a process', () => {
  it('answers a pipe on stdout alone', async () => {
    const { child, finished } = start(['run', 'tiny']);
    endInput(child, 'hello');
    expect(await finished).toEqual({ code: 0, stdout: '1: hello\n', stderr: '' });
  });

  it('ends quietly when its reader does, as under head', async () => {
    const { child, finished } = start(['run', 'tiny'], { STUB_REPEAT: '20000' });
    endInput(child, 'hello');
    await firstOutput(child.stdout);
    child.stdout.destroy();
    const { code, stderr } = await finished;
    expect([code, stderr]).toEqual([0, '']);
  });

  it('stops on Ctrl-C with 130', async () => {
    const { child, finished } = start(['run', 'tiny'], { STUB_DELAY_MS: '5' });
    endInput(child, 'a long answer '.repeat(100));
    await firstOutput(child.stdout);
    child.kill('SIGINT');
    const { code, stdout } = await finished;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^1/);
    expect(stdout.length).toBeLessThan(1000);
  });

  it('serves until SIGTERM', async () => {
    const { child, finished } = start(['serve', '--port', '0']);
    await firstOutput(child.stdout);
    child.kill('SIGTERM');
    const { code, stdout } = await finished;
    expect(code).toBe(0);
    expect(stdout).toMatch(/curl http:\/\/127\.0\.0\.1:\d+\/v1\/chat\/completions/);
  });

  it('is an MCP server for the client that starts it', async () => {
    const client = new Client({ name: 'test', version: '1' });
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [bundle.script, 'mcp', 'tiny'],
    });
    await client.connect(transport);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['list_models', 'generate', 'embed', 'rerank']);
    const text = async (name: string, args = {}) => {
      const { content, isError } = await client.callTool({ name, arguments: args });
      return [(content as { text: string }[])[0]!.text, isError ?? false];
    };
    expect(await text('generate', { model: 'tiny', prompt: 'Grüße' })).toEqual(['1: Grüße', false]);
    expect((await text('list_models'))[0]).toContain('"tiny"');
    expect(await text('generate', { model: 'none', prompt: 'x' })).toEqual([
      expect.stringContaining("'none'"),
      true,
    ]);
    await client.close();
  });

  it('writes nothing but the protocol to stdout, answers all that was asked, and ends with its input', async () => {
    const { child, finished } = start(['mcp'], { STUB_DELAY_MS: '5' });
    const message = (id: number, method: string, params: object) =>
      JSON.stringify({ jsonrpc: '2.0', id, method, params });
    const initialize = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 't', version: '1' },
    };
    endInput(
      child,
      `${[
        message(1, 'initialize', initialize),
        message(2, 'tools/call', { name: 'generate', arguments: { model: 'tiny', prompt: 'a b c' } }),
        'no message',
      ].join('\n')}\n`,
    );
    const { code, stdout } = await finished;
    expect(code).toBe(0);
    const answers = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { jsonrpc: string; id: number; result: unknown });
    expect(answers.map(({ jsonrpc, id }) => [jsonrpc, id])).toEqual([
      ['2.0', 1],
      ['2.0', 2],
    ]);
    expect(answers[1]!.result).toMatchObject({ content: [{ text: '1: a b c' }] });
  });

  it('stops being an MCP server on Ctrl-C', async () => {
    const { child, finished } = start(['mcp']);
    child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
    await firstOutput(child.stdout);
    child.kill('SIGINT');
    expect(await finished).toMatchObject({ code: 130, stdout: '{"result":{},"jsonrpc":"2.0","id":1}\n' });
  });

  it('exits 2 for wrong usage and 1 for a model that is not there', async () => {
    const [usage, missing] = [start(['run', 'a', '--wat']), start(['show', 'nothing'])];
    expect((await usage.finished).code).toBe(2);
    const { code, stderr } = await missing.finished;
    expect(code).toBe(1);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
