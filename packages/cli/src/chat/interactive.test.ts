import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { createFakeServices } from '../../test/fake-services.ts';
import { createTerminal, until, type Terminal } from '../../test/test-context.ts';

/** Starts chat on a terminal; the model answers "<number of messages>:<last message>". */
function start(delayMs = 0): {
  terminal: Terminal;
  code: Promise<number>;
  sees: (text: string) => Promise<void>;
} {
  const services = createFakeServices({
    createModel: (name) =>
      createStubModel({
        name,
        delayMs,
        reply: (messages) => `<${messages.length}:${JSON.stringify(messages.at(-1)?.content)}>`,
      }),
  });
  const terminal = createTerminal({ services, stdoutIsTTY: true, env: { NO_COLOR: '1' } });
  const code = terminal.run('chat');
  return { terminal, code, sees: (text) => until(() => terminal.stdout().includes(text)) };
}

describe('chat on a terminal', () => {
  it('answers, shows the rate, and leaves on Ctrl-D', async () => {
    const { terminal, code, sees } = start();
    terminal.stdin.write('hello\r');
    await sees('<1:"hello">');
    await sees('first token after');
    terminal.stdin.write('\u0004');
    expect(await code).toBe(0);
    expect(terminal.services.disposed).toEqual(['tiny']);
  });

  it('takes a paste of several lines as one message', async () => {
    const { terminal, code, sees } = start();
    terminal.stdin.write('\u001b[200~one\ntwo\u001b[201~');
    terminal.stdin.write('\r');
    await sees('<1:"one\\ntwo">');
    terminal.stdin.write('/exit\r');
    expect(await code).toBe(0);
  });

  it('recalls lines by arrow', async () => {
    const { terminal, code, sees } = start();
    terminal.stdin.write('hello\r');
    await sees('<1:"hello">');
    terminal.stdin.write('\u001b[A again\r');
    await sees('<3:"hello again">');
    terminal.stdin.write('/exit\r');
    await code;
  });

  it('stops the answer on Ctrl-C and goes on', async () => {
    const { terminal, code, sees } = start(5);
    terminal.stdin.write(`${'long '.repeat(200)}\r`);
    await sees('<1:"lo');
    terminal.stdin.write('\u0003');
    await sees('stopped');
    terminal.stdin.write('hi\r');
    await sees('<3:"hi">');
    terminal.stdin.write('/exit\r');
    expect(await code).toBe(0);
  });

  it('leaves with 130 after Ctrl-C twice at an empty prompt, and not before', async () => {
    const { terminal, code, sees } = start();
    terminal.stdin.write('half a line\u0003');
    terminal.stdin.write('\u0003');
    await sees('Ctrl-C again');
    terminal.stdin.write('x\r');
    await sees('first token after');
    terminal.stdin.write('\u0003');
    terminal.stdin.write('\u0003');
    expect(await code).toBe(130);
  });

  it('runs commands, and tells mistakes without leaving', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'steelyard-chat-'));
    const file = join(folder, 'talk.json');
    const { terminal, code, sees } = start();
    const type = async (line: string, answer: string): Promise<void> => {
      terminal.stdin.write(`${line}\r`);
      await sees(answer);
    };
    await type('/nonsense', 'there is no /nonsense');
    await type('/set temperature 7000', "temperature is '7000'; expected a number from 0 to 100");
    await type('/set temperature 0.5', 'temperature is 0.5.');
    await type('/system be kind', 'System text set');
    await type('hello', '<2:"hello">');
    await type(`/save ${file}`, 'Saved 2 messages');
    await type('/clear', 'The conversation is empty');
    await type('/regenerate', 'there is no message to answer again');
    await type(`/load ${file}`, 'Loaded 2 messages');
    await type('/model other.gguf', "no model or file 'other.gguf'");
    await type('/stats', 'cache pages');
    await type('/help', '/regenerate');
    await type('more', '<4:"more">');
    terminal.stdin.write('/exit\r');
    expect(await code).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      model: 'tiny',
      system: 'be kind',
      messages: [
        { role: 'user', content: 'hello' },
        { role: 'assistant', content: '<2:"hello">' },
      ],
    });
    rmSync(folder, { recursive: true });
  });

  it('gives the terminal back: bracketed paste is off at the end', async () => {
    const { terminal, code } = start();
    terminal.stdin.write('\u0004');
    await code;
    expect(terminal.stdout().lastIndexOf('\u001b[?2004l')).toBeGreaterThan(
      terminal.stdout().lastIndexOf('\u001b[?2004h'),
    );
  });
});
