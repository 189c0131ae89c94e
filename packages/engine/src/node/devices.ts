/** The backends of this package, one line each, best first. */

import {
  cpuAvailability,
  createCpuBackend,
  createNodeWasmBackend,
  wasmAvailability,
} from '@steelyard/backend-cpu';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { UnsupportedError } from '@steelyard/core';
import type { Backend } from '@steelyard/graph';

export interface DeviceOptions {
  readonly threads?: number;
  /** Of the model that will be loaded, as far as is known: what addresses it needs. */
  readonly weightBytes?: number;
}

interface Device {
  /** Why it cannot be used here; undefined when it can. */
  readonly unavailable: () => string | undefined;
  readonly create: (options: DeviceOptions) => Backend;
}

const devices = {
  cpu: { unavailable: () => reasonAgainst(cpuAvailability()), create: createCpuBackend },
  wasm: { unavailable: () => reasonAgainst(wasmAvailability()), create: createNodeWasmBackend },
  reference: { unavailable: () => undefined, create: createReferenceBackend },
} as const satisfies Record<string, Device>;

export type BackendName = keyof typeof devices;

function reasonAgainst({ available, reason }: { available: boolean; reason?: string }): string | undefined {
  return available ? undefined : (reason ?? 'no reason given');
}

/**
 * The named backend, or the best that works here; `onNotice` hears why a better one does not. Dispose it.
 * @throws UnsupportedError when the named backend does not work here
 */
export function selectBackend(
  name: BackendName | 'auto',
  options: DeviceOptions = {},
  onNotice: (notice: string) => void = () => undefined,
): Backend {
  if (name !== 'auto') {
    const device = (devices as Partial<Record<string, Device>>)[name];
    const reason = device ? device.unavailable() : `expected auto, ${Object.keys(devices).join(' or ')}`;
    if (device && reason === undefined) return device.create(options);
    throw new UnsupportedError(`the ${name} backend does not work here: ${reason}; run: steelyard doctor`);
  }
  for (const [candidate, device] of Object.entries<Device>(devices)) {
    const reason = device.unavailable();
    if (reason === undefined) return device.create(options);
    onNotice(
      `the ${candidate} backend does not work here (${reason}), so a slower one is used; run: steelyard doctor`,
    );
  }
  throw new UnsupportedError('no backend works here; run: steelyard doctor');
}
