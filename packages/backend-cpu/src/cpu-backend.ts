/** The native CPU backend: graphs become tapes, weights stay mapped in their files, runs leave the event loop. */

import { UnsupportedError } from '@steelyard/core';
import type { Backend } from '@steelyard/graph';
import { loadAddon } from './addon.ts';
import { checkThreads, defaultThreads } from './availability.ts';
import { compileGraph } from './cpu-executable.ts';
import { parseActivations, type Activations } from './planned-graph.ts';
import { allocateState, FileMaps, loadWeight } from './cpu-tensor.ts';

/** Of x86-64 and of Arm64, the best first. */
export const cpuLevels = [
  'amx',
  'avx512bf16',
  'avx512',
  'avx2',
  'i8mm',
  'dotprod',
  'neon',
  'scalar',
] as const;
export type CpuLevel = (typeof cpuLevels)[number];

export interface CpuOptions {
  /** Default: the machine's cores, or `STEELYARD_THREADS`. */
  readonly threads?: number;
  /** Default: the best that the processor has, or `STEELYARD_CPU`. */
  readonly level?: CpuLevel;
  /** Default mixed, or `STEELYARD_ACTIVATIONS`. */
  readonly activations?: Activations;
  /** For tests: fills temporaries with NaN before each run, so that what a kernel leaves unwritten shows. */
  readonly poison?: boolean;
}

/** @throws UnsupportedError when the native kernels are not there or the processor lacks the level */
export function createCpuBackend(options: CpuOptions = {}): Backend {
  const loaded = loadAddon();
  if ('reason' in loaded) throw new UnsupportedError(loaded.reason);
  const { addon } = loaded;
  const wanted = options.level ?? process.env['STEELYARD_CPU'] ?? '';
  const level = addon.level(wanted);
  if (!level) throw new UnsupportedError(`this processor has no ${wanted}; run: steelyard doctor`);
  const threads = checkThreads(options.threads ?? defaultThreads());
  const activations = options.activations ?? parseActivations(process.env['STEELYARD_ACTIVATIONS']);
  const poison = options.poison ?? false;
  const maps = new FileMaps(addon);

  return {
    name: 'cpu',
    description: `native ${level}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${activations} activations`,
    mapsWeights: true,
    rows: {
      argmax: (row) => addon.argmax(level, row),
      weigh: (row, top, scale, weights, sums) => addon.weigh(level, row, top, scale, weights, sums),
      atLeast: (row, floor, ids) => addon.atLeast(level, row, floor, ids),
    },
    stateDTypes: ['f16', 'f32', 'q8_0'],
    loadWeight: (data) => loadWeight(addon, maps, data),
    allocateState: (dtype, shape) => allocateState(addon, dtype, shape),
    compile: (graph, request) => compileGraph(addon, graph, request, { threads, activations, level, poison }),
    dispose() {
      // Tensors are disposed by who made them; handles free themselves.
    },
  };
}
