export { cpuAvailability, type CpuAvailability } from './availability.ts';
export { cpuLevels, createCpuBackend, type CpuLevel, type CpuOptions } from './cpu-backend.ts';
export {
  createNodeWasmBackend,
  createNodeWasmRunner,
  loadWasmModule,
  wasmAvailability,
  wasmVariants,
  type NodeWasmOptions,
  type WasmAvailability,
  type WasmVariant,
} from './node/wasm.ts';
