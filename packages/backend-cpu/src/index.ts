export { cpuAvailability, type CpuAvailability } from './availability.ts';
export { createCpuBackend, type CpuLevel, type CpuOptions } from './cpu-backend.ts';
