/** The tiny Llama of the goldens, on every backend that works on this machine. */

import { join } from 'node:path';
import { cpuAvailability, createCpuBackend } from '@steelyard/backend-cpu';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { openModel } from '@steelyard/formats/node';
import type { Backend } from '@steelyard/graph';
import { loadModel } from '@steelyard/models';
import { Engine, type EngineOptions } from '../src/engine.ts';
import { printableTokenizer } from './printable-tokenizer.ts';

export const goldenFolder = join(import.meta.dirname, '../../../tests/golden/models/llama/gqa-tied');

export const backends: Readonly<Record<string, () => Backend>> = {
  reference: createReferenceBackend,
  ...(cpuAvailability().available && { cpu: () => createCpuBackend({ threads: 2 }) }),
};

export interface GoldenOptions extends Partial<EngineOptions> {
  /** Pages of the cache; default plenty. */
  readonly pages?: number;
}

/** An engine over the golden model; `pages` of 4 tokens. */
export async function goldenEngine(backend: Backend, options: GoldenOptions = {}): Promise<Engine> {
  const { pages, kvDType = 'f32', pageSize = 4, ...rest } = options;
  const model = loadModel(openModel(goldenFolder), { pageSize, kvDType });
  const tokenizer = printableTokenizer(model.config.vocabSize);
  const common = { kvDType, pageSize, ...rest };
  if (pages === undefined) return Engine.create(model, tokenizer, backend, common);
  // The plan is made once with room to spare, to learn what lies beside the cache.
  const probe = await Engine.create(model, tokenizer, backend, { ...common, memoryBytes: 2 ** 30 });
  const { kvBytesPerToken } = probe.plan;
  await probe.dispose();
  const memoryBytes = model.weightBytes + probe.plan.temporaryBytes + pages * pageSize * kvBytesPerToken;
  return Engine.create(model, tokenizer, backend, { ...common, memoryBytes });
}
