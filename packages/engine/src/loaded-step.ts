/** A model's step graph on a backend: weights loaded, cache allocated, compiled. */

import type { Backend, DeviceTensor, DType, Executable } from '@steelyard/graph';
import { stateTensors, type LoadedModel } from '@steelyard/models';
import type { MemoryPlan } from './memory-plan.ts';

export interface LoadedStep {
  readonly executable: Executable;
  /** Frees the executable, the cache and the weights. */
  dispose(): void;
}

/** @throws CapacityError when the backend cannot hold it; then nothing stays allocated */
export async function loadStep(
  model: LoadedModel,
  backend: Backend,
  plan: MemoryPlan,
  cache: { readonly pageSize: number; readonly kvDType: DType; readonly expertsOnDisk?: boolean },
): Promise<LoadedStep> {
  const tensors: DeviceTensor[] = [];
  const keep = (tensor: DeviceTensor): DeviceTensor => {
    tensors.push(tensor);
    return tensor;
  };
  const disposeTensors = (): void => {
    for (const tensor of tensors.splice(0)) tensor.dispose();
  };
  try {
    const weights = new Map<string, DeviceTensor>();
    for (const [name, data] of model.weights) weights.set(name, keep(backend.loadWeight(data)));
    const states = new Map<string, DeviceTensor>();
    const sizes = { ...cache, pages: plan.pages, slots: plan.limits.R };
    for (const { name, dtype, shape } of stateTensors(model, sizes)) {
      states.set(name, keep(backend.allocateState(dtype, shape)));
    }
    const { expertsOnDisk = false } = cache;
    const limits = { ...plan.limits };
    const executable = await backend.compile(model.graph, { weights, states, limits, expertsOnDisk });
    const dispose = (): void => {
      executable.dispose();
      disposeTensors();
    };
    return { executable, dispose };
  } catch (error) {
    disposeTensors();
    throw error;
  }
}

/** What is loading, and what is made while it does; it is disposed when that fails. */
export async function meanwhile<T extends { dispose(): void | Promise<void> }, U>(
  loading: Promise<T>,
  make: () => U,
): Promise<[T, U]> {
  try {
    const made = make();
    return [await loading, made];
  } catch (error) {
    await loading.then((loaded) => loaded.dispose()).catch(() => undefined);
    throw error;
  }
}
