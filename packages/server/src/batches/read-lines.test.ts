import { expect, it } from 'vitest';
import { readLines } from './read-lines.ts';

async function read(chunks: readonly (string | Uint8Array)[], limit = 20) {
  const lines = [];
  const content = (async function* () {
    await Promise.resolve();
    for (const chunk of chunks) yield Buffer.from(chunk as string);
  })();
  for await (const line of readLines(content, limit)) lines.push(line);
  return lines;
}

it('gives the same lines however the content is cut', async () => {
  const text = '\uFEFFone\n\n  \nGrüße\r\nlast';
  const whole = await read([text]);
  expect(whole.map(({ number, text: line }) => [number, line.trim()])).toEqual([
    [1, 'one'],
    [4, 'Grüße'],
    [5, 'last'],
  ]);
  const bytes = Buffer.from(text);
  expect(await read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
});

it('tells what it cannot give', async () => {
  const lines = await read([
    'x'.repeat(21),
    '\n',
    Uint8Array.of(0xff),
    '\nok\n',
    'y'.repeat(15),
    'y'.repeat(15),
  ]);
  expect(lines.map(({ number, problem }) => [number, problem])).toEqual([
    [1, 'too_long'],
    [2, 'not_utf8'],
    [3, undefined],
    [4, 'too_long'],
  ]);
});
