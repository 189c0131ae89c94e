export { createKernelMemory, type KernelMemory } from './kernel-memory.ts';
export { WasmKernels } from './kernels.ts';
export { createLocalRunner, type Command, type Reply, type WasmRunner } from './runner.ts';
export {
  beginThread,
  checkWasmThreads,
  MAX_WASM_THREADS,
  startThreads,
  type Thread,
  type ThreadEvents,
  type ThreadHost,
  type ThreadStart,
} from './threads.ts';
export { createWasmBackend, type WasmChoice, type WasmOptions } from './wasm-backend.ts';
export {
  createResponder,
  createWorkerRunner,
  type Request,
  type Response,
  type WorkerLink,
  type WorkerRunner,
} from './worker-runner.ts';
