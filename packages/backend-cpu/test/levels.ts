/** The instruction-set levels of this machine. */

import { cpuAvailability, cpuLevels, createCpuBackend, type CpuLevel } from '@steelyard/backend-cpu';

/** Empty where the kernels are not built. */
export const levels: readonly CpuLevel[] = cpuLevels.filter((level) => {
  if (!cpuAvailability().available) return false;
  try {
    createCpuBackend({ level });
    return true;
  } catch {
    return false;
  }
});
