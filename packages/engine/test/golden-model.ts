/** Tiny models of the goldens, by default a Llama, on every backend that works on this machine. */

import { join } from 'node:path';
import { cpuAvailability, createCpuBackend } from '@steelyard/backend-cpu';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { openModel } from '@steelyard/formats/node';
import type { Backend } from '@steelyard/graph';
import { loadModel } from '@steelyard/models';
import { Engine, type EngineOptions } from '../src/engine.ts';
import { printableTokenizer } from './printable-tokenizer.ts';

const goldens = join(import.meta.dirname, '../../../tests/golden/models');
export const goldenFolder = join(goldens, 'llama/gqa-tied');

export const backends: Readonly<Record<string, () => Backend>> = {
  reference: createReferenceBackend,
  ...(cpuAvailability().available && { cpu: () => createCpuBackend({ threads: 2 }) }),
};

export interface GoldenOptions extends Partial<EngineOptions> {
  /** Pages of the cache; default plenty. */
  readonly pages?: number;
  /** Folder of the goldens. */
  readonly golden?: string;
}

/** An engine over the golden model; `pages` of 4 tokens. */
export async function goldenEngine(backend: Backend, options: GoldenOptions = {}): Promise<Engine> {
  const { pages, kvDType = 'f32', pageSize = 4, golden, ...rest } = options;
  const folder = golden === undefined ? goldenFolder : join(goldens, golden);
  const model = loadModel(openModel(folder), { pageSize, kvDType });
  const tokenizer = printableTokenizer(model.config.vocabSize);
  const common = { kvDType, pageSize, ...rest };
  if (pages === undefined) return Engine.create(model, () => tokenizer, backend, common);
  // The plan is made once with room to spare, to learn what lies beside the cache.
  const probe = await Engine.create(model, () => tokenizer, backend, { ...common, memoryBytes: 2 ** 30 });
  const { kvBytesPerToken } = probe.plan;
  await probe.dispose();
  const { temporaryBytes, recurrentBytes } = probe.plan;
  const cache = pages * pageSize * kvBytesPerToken;
  const memoryBytes = model.weightBytes + temporaryBytes + recurrentBytes + cache;
  return Engine.create(model, () => tokenizer, backend, { ...common, memoryBytes });
}
