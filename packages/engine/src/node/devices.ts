/** The backends of this package, one line each, best first. */

import { cpuAvailability, createCpuBackend } from '@steelyard/backend-cpu';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { UnsupportedError } from '@steelyard/core';
import type { Backend } from '@steelyard/graph';

export type BackendName = 'cpu' | 'reference';

interface Device {
  /** Why it cannot be used here; undefined when it can. */
  readonly unavailable: () => string | undefined;
  readonly create: (options: { threads?: number }) => Backend;
}

const devices: Readonly<Record<BackendName, Device>> = {
  cpu: {
    unavailable: () => {
      const { available, reason } = cpuAvailability();
      return available ? undefined : (reason ?? 'unknown');
    },
    create: createCpuBackend,
  },
  reference: { unavailable: () => undefined, create: () => createReferenceBackend() },
};

/**
 * The named backend, or the best that works here; `onNotice` hears why a better one does not.
 * @throws UnsupportedError when the named backend does not work here
 */
export function selectBackend(
  name: BackendName | 'auto',
  options: { threads?: number },
  onNotice: (notice: string) => void = () => undefined,
): Backend {
  if (name !== 'auto') {
    const reason = devices[name].unavailable();
    if (reason)
      throw new UnsupportedError(`the ${name} backend does not work here: ${reason}; run: steelyard doctor`);
    return devices[name].create(options);
  }
  for (const [candidate, device] of Object.entries(devices)) {
    const reason = device.unavailable();
    if (!reason) return device.create(options);
    onNotice(
      `the ${candidate} backend does not work here (${reason}); using a slower one. Run: steelyard doctor`,
    );
  }
  return devices.reference.create(options);
}
