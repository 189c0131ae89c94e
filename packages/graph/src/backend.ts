/**
 * What a backend is: it loads weights, keeps states, compiles graphs and runs them.
 * Everything above this interface is the same on every device.
 */

import type { DType } from './dtypes/index.ts';
import type { Bindings, Graph } from './ir.ts';
import type { RowKernels } from './row-kernels.ts';
import type { TensorData } from './tensor-data.ts';

/** Storage formats that KV caches have, on backends that know them. */
export type CacheDType = Extract<DType, 'f32' | 'f16' | 'q8_0'>;

/** A tensor in a backend's memory. The creator disposes it, after every executable that uses it. */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Bytes of memory it occupies, zero for mapped file pages that were not copied. */
  readonly residentBytes: number;
  /** A copy of the contents in the tensor's dtype. */
  read(): Promise<Uint8Array>;
  /** Overwrites from byte `offset` (default 0). Weights refuse. */
  write(bytes: Uint8Array, offset?: number): Promise<void>;
  dispose(): void;
}

export interface CompileOptions {
  /** By canonical name; constants of the graph need no entry. */
  readonly weights: ReadonlyMap<string, DeviceTensor>;
  /** By name. */
  readonly states: ReadonlyMap<string, DeviceTensor>;
  /** The largest value each symbol may take in a run; memory is planned for these. */
  readonly limits: Bindings;
  /** Experts stay where they lie in their files, however slow to read, rather than in a layout of the backend's own. */
  readonly expertsOnDisk?: boolean;
}

export interface RunRequest {
  /** A value for every symbol, at most its limit. Arrays and dims are read before `run` returns, unless it has to wait. */
  readonly dims: Bindings;
  readonly inputs: Readonly<Record<string, Int32Array | Float32Array>>;
}

/** Output arrays are valid until the executable's next run, or the end of the turn in which it is disposed. */
export type RunResult = Readonly<Record<string, Float32Array>>;

export interface Executable {
  /** Bytes of temporaries at the limits. */
  readonly temporaryBytes: number;
  /** Runs leave the event loop, so that timers and sockets have had their turn when one is over. Absent: they may not. */
  readonly leavesLoop?: true;
  /** One run at a time per executable; a second waits. @throws ShapeError on wrong dims or inputs */
  run(request: RunRequest): Promise<RunResult>;
  dispose(): void;
}

export interface Backend {
  /** `reference`, `cpu`, ... */
  readonly name: string;
  /** What it runs on and which instruction sets it uses; shown by `doctor`. */
  readonly description: string;
  /** Storage formats that states may have here; the first is the default for KV caches. */
  readonly stateDTypes: readonly CacheDType[];
  /** Weights stay in their files, and pages of them come to memory when they are read. Absent: they are copied. */
  readonly mapsWeights?: true;
  /** Absent: it has none that are faster than `plainRows`. */
  readonly rows?: RowKernels;
  /** Maps the file region where it can, copies otherwise. */
  loadWeight(data: TensorData): DeviceTensor;
  /** Zero-filled. @throws CapacityError with numbers when it does not fit */
  allocateState(dtype: DType, shape: readonly number[]): DeviceTensor;
  compile(graph: Graph, options: CompileOptions): Promise<Executable>;
  dispose(): void;
}
