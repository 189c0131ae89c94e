/** The backends that run on this machine, and how near to a golden each must come. */

import { cpuAvailability, createCpuBackend, loadWasmModule } from '@steelyard/backend-cpu';
import { createWasmBackend } from '@steelyard/backend-cpu/wasm';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { optimise, type Backend } from '@steelyard/graph';
import type { GoldenFile } from './golden.ts';

/**
 * The native backend runs the passes too; where no compiler was found, the reference stands in for it. It keeps 16 bits
 * of every activation here: the 8 bits that it takes by default show on models this small, and are measured on real ones
 * (bench/quality.mjs).
 */
export function availableBackends(): Backend[] {
  const native = cpuAvailability().available
    ? createCpuBackend({ activations: 'int16' })
    : optimisingReference();
  const loaded = loadWasmModule('simd');
  const wasm = 'module' in loaded ? [createWasmBackend({ module: loaded.module, activations: 'int16' })] : [];
  return [createReferenceBackend(), native, ...wasm];
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
/** Activations rounded to 16 bits in every matmul: an error of up to 1/65024 of a run's peak each time,
 * which llama/gqa-llama3, the worst, magnifies 30-fold; see docs/quality.md. */
const INT16_BOUND = 1e-3;

/** Largest error against a golden, relative to the largest logit of its row. Golden weights are exact in every file. */
export function boundOf(backend: Pick<Backend, 'name'>, file: Pick<GoldenFile, 'quantised'>): number {
  return file.quantised && !backend.name.startsWith('reference') ? INT16_BOUND : FLOAT_BOUND;
}
