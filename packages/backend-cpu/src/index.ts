export {
  cpuAvailability,
  createCpuBackend,
  type CpuAvailability,
  type CpuLevel,
  type CpuOptions,
} from './cpu-backend.ts';
