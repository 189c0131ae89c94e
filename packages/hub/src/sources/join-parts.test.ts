import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { joinParts } from './join-parts.ts';
import type { PackageEntry } from './package-entry.ts';

function entry(path: string, body = path): PackageEntry {
  return {
    path,
    size: body.length,
    from: 'p',
    open: () => Promise.resolve(Readable.from([Buffer.from(body)])),
  };
}

async function textOf(item: PackageEntry | undefined): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await item?.open()) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('joinParts', () => {
  it.each([
    [['a/m.gguf.part00', 'b/m.gguf.part01', 'c/m.gguf.part02']],
    [['m.gguf.part1of3', 'm.gguf.part2of3', 'm.gguf.part3of3']],
    [['m.gguf.001', 'm.gguf.002', 'm.gguf.003']],
    [['m.gguf-split-1', 'm.gguf-split-2', 'm.gguf-split-3']],
  ])('joins %j in order of number', async (names) => {
    const [third, first, second] = [names[2], names[0], names[1]].map((name, at) =>
      entry(name ?? '', `${at}`),
    );
    const joined = await joinParts([third!, first!, second!, entry('config.json')], 's');
    expect(joined.map((item) => item.path.split('/').at(-1))).toEqual(['m.gguf', 'config.json']);
    expect(await textOf(joined[0])).toBe('120');
    expect(joined[0]?.size).toBe(3);
  });

  it('orders by number and not by text', async () => {
    const parts = Array.from({ length: 12 }, (_, at) =>
      entry(`m.gguf.part${at + 1}`, String.fromCharCode(97 + at)),
    );
    expect(await textOf((await joinParts(parts.toReversed(), 's'))[0])).toBe('abcdefghijkl');
  });

  it.each([
    [['m.gguf.part0', 'm.gguf.part2']],
    [['m.gguf.part2', 'm.gguf.part3']],
    [['m.gguf.part1of3', 'm.gguf.part2of3']],
    [['a/m.gguf.part1', 'b/m.gguf.part1']],
  ])('refuses %j', async (names) => {
    await expect(
      joinParts(
        names.map((name) => entry(name)),
        's',
      ),
    ).rejects.toThrow(/expected all/);
  });

  it('leaves split GGUF and single files alone, and takes hashes from SHA256SUMS', async () => {
    const hash = 'A'.repeat(64);
    const names = ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'];
    const sums = entry('d/SHA256SUMS', `${hash}  ./${names[0]}\nnonsense\n`);
    const found = await joinParts([...names.map((name) => entry(name)), sums], 's');
    expect(found.map((item) => item.path)).toEqual([...names, 'd/SHA256SUMS']);
    expect(found.map((item) => item.sha256)).toEqual([hash.toLowerCase(), undefined, undefined]);
  });
});
