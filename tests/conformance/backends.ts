/** The backends that run on this machine, and how near to a golden each must come. */

import * as cpu from '@steelyard/backend-cpu';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { optimise, type Backend } from '@steelyard/graph';
import type { GoldenFile } from './goldens.ts';

/** Where no compiler was found, the native backend is absent and the suite runs without it. */
export function availableBackends(): Backend[] {
  const { createCpuBackend, cpuAvailability } = cpu as Partial<NativeModule>;
  const native = createCpuBackend && cpuAvailability?.().available ? [createCpuBackend()] : [];
  return [createReferenceBackend(), optimisingReference(), ...native];
}

interface NativeModule {
  createCpuBackend(): Backend;
  cpuAvailability(): { readonly available: boolean };
}

/** The reference on graphs as the passes leave them: a pass that changes a result shows without any kernel. */
function optimisingReference(): Backend {
  const plain = createReferenceBackend();
  return {
    ...plain,
    name: 'reference-after-passes',
    compile: (graph, options) => plain.compile(optimise(graph), options),
  };
}

/** Passes see the same graph whatever file it came from, so one file per model is enough for them. */
export function runsOn(backend: Backend, file: GoldenFile): boolean {
  return backend.name !== 'reference-after-passes' || file.format === 'safetensors';
}

const FLOAT_BOUND = 1e-4;
/** Activations rounded to 8 bits, by up to 0.4% of the largest of their block, in every matmul. */
const INT8_BOUND = 0.05;

/** Largest error against a golden, relative to the largest logit of its row. Golden weights are exact in every file. */
export function boundOf(backend: Backend, file: GoldenFile): number {
  return file.quantised && !backend.name.startsWith('reference') ? INT8_BOUND : FLOAT_BOUND;
}
