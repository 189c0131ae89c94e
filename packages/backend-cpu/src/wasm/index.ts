export { WasmKernels } from './kernels.ts';
export { createLocalRunner, type Command, type Reply, type WasmRunner } from './runner.ts';
export { createWasmBackend, type WasmOptions } from './wasm-backend.ts';
export {
  createResponder,
  createWorkerRunner,
  type Request,
  type Response,
  type WorkerLink,
  type WorkerRunner,
} from './worker-runner.ts';
