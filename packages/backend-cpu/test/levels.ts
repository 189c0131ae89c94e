/** The instruction-set levels of this machine. */

import { cpuAvailability, createCpuBackend, type CpuLevel } from '@steelyard/backend-cpu';

/** Empty where the kernels are not built. */
export const levels: readonly CpuLevel[] = (['avx512', 'avx2', 'scalar'] as const).filter((level) => {
  if (!cpuAvailability().available) return false;
  try {
    createCpuBackend({ level });
    return true;
  } catch {
    return false;
  }
});
