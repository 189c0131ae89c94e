/** A model with more experts than memory: refused with numbers and a choice; with that choice, only chosen experts are read. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuAvailability } from '@steelyard/backend-cpu';
import { CapacityError, UnsupportedError } from '@steelyard/core';
import { openLanguageModel, type OpenOptions } from '@steelyard/engine/node';
import * as formats from '@steelyard/formats';
import * as graph from '@steelyard/graph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GPT_OSS_20B, writeGptOss } from '../../bench/gpt-oss-file.mjs';

/** Layers of the published size, but two, and few words. */
const shape = { ...GPT_OSS_20B, layers: 2, heads: 8, kvHeads: 2, vocab: 512 };
const folder = mkdtempSync(join(tmpdir(), 'steelyard-experts-'));
const path = join(folder, 'holes.gguf');
let size = 0;
beforeAll(() => {
  size = writeGptOss(path, shape, formats, graph);
});
afterAll(() => rmSync(folder, { recursive: true }));

const budget: OpenOptions = { memoryBytes: 200e6, maxBatchTokens: 16, maxSequences: 2 };

/** Bytes of the file that lie in this process's memory. */
function mappedBytes(): number {
  const maps = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const ours = maps.filter((map) => map.split('\n', 1)[0]?.endsWith(path));
  return ours.reduce((sum, map) => sum + 1024 * Number(/^Rss:\s+(\d+)/m.exec(map)?.[1]), 0);
}

describe.skipIf(!cpuAvailability().available)('experts larger than the memory they are given', () => {
  it('are refused with numbers and a choice', async () => {
    const refused = openLanguageModel(path, { ...budget, backend: 'cpu' });
    await expect(refused).rejects.toThrow(CapacityError);
    await expect(refused).rejects.toThrow(
      /190\.7 MiB of memory do not hold gpt_oss: weights 8\d\d\.\d MiB \(806\.8 MiB of it experts\).*--experts-on-disk/,
    );
    const copied = openLanguageModel(path, { ...budget, backend: 'reference', expertsOnDisk: true });
    await expect(copied).rejects.toThrow(UnsupportedError);
  });

  it('give a token of which only the chosen were read', async () => {
    const model = await openLanguageModel(path, { ...budget, backend: 'cpu', expertsOnDisk: true });
    try {
      let tokens = 0;
      for await (const event of model.complete('e', { maxTokens: 1, sampling: { temperature: 0 } })) {
        if (event.type === 'finish') tokens = event.usage.completionTokens;
      }
      expect(tokens).toBe(1);
      if (process.platform !== 'linux') return;
      // A token has 4 of 32 experts; all other weights are a twentieth of the file.
      expect(mappedBytes() / size).toBeGreaterThan(0.1);
      expect(mappedBytes() / size).toBeLessThan(0.2);
    } finally {
      await model.dispose();
    }
  });
});
