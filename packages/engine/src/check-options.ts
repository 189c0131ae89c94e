/** Refuses options that mean nothing, naming the field, before a request takes any place. */

import { RequestError } from '@steelyard/core';
import type { GenerateOptions, SamplingOptions } from './types.ts';

const MAX_LOGPROBS = 20;

interface Rule {
  readonly integer?: boolean;
  /** Smallest and largest value allowed. */
  readonly range: readonly [number, number];
  /** The smallest value itself is not allowed. */
  readonly above?: boolean;
}

const samplingRules = {
  temperature: { range: [0, Number.MAX_VALUE] },
  topK: { range: [0, Number.MAX_SAFE_INTEGER], integer: true },
  topP: { range: [0, 1] },
  minP: { range: [0, 1] },
  repetitionPenalty: { range: [0, Number.MAX_VALUE], above: true },
  presencePenalty: { range: [-Number.MAX_VALUE, Number.MAX_VALUE] },
  frequencyPenalty: { range: [-Number.MAX_VALUE, Number.MAX_VALUE] },
  seed: { range: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], integer: true },
} as const satisfies Partial<Record<keyof SamplingOptions, Rule>>;

/** @throws RequestError naming the field */
export function checkOptions(options: GenerateOptions, vocabSize: number): void {
  check('maxTokens', options.maxTokens, { range: [0, Number.MAX_SAFE_INTEGER], integer: true });
  check('maxReasoningTokens', options.thoughtLimit?.tokens, {
    range: [0, Number.MAX_SAFE_INTEGER],
    integer: true,
  });
  check('logprobs', options.logprobs, { range: [0, MAX_LOGPROBS], integer: true });
  for (const [name, rule] of Object.entries(samplingRules)) {
    check(name, options.sampling?.[name as keyof typeof samplingRules], rule);
  }
  if (options.constraint && (options.stop?.length ?? 0) > 0) {
    throw new RequestError(
      'a stop string could cut a constrained answer short; leave one of them out',
      'stop',
    );
  }
  if (options.constraint && options.ignoreEos) {
    throw new RequestError(
      'a constrained answer ends where it is complete; leave ignoreEos out',
      'ignoreEos',
    );
  }
  for (const stop of options.stop ?? []) {
    if (stop === '') throw new RequestError('a stop string is empty; leave it out', 'stop');
  }
  for (const [id, bias] of Object.entries(options.sampling?.logitBias ?? {})) {
    if (!/^\d+$/.test(id) || Number(id) >= vocabSize) {
      throw new RequestError(
        `logitBias names token ${id}, expected an id from 0 to ${vocabSize - 1}`,
        'logitBias',
      );
    }
    if (Number.isNaN(bias) || bias === Infinity) {
      throw new RequestError(`logitBias of token ${id} is ${bias}, expected a number`, 'logitBias');
    }
  }
}

function check(name: string, value: number | undefined, { range: [low, high], integer, above }: Rule): void {
  if (value === undefined) return;
  const inRange = value >= low && value <= high && !(above && value === low);
  if (inRange && (!integer || Number.isInteger(value))) return;
  const kind = integer ? 'an integer' : 'a number';
  const from = low <= -Number.MAX_VALUE ? '' : `, ${above ? 'above' : 'at least'} ${low}`;
  const to = high >= Number.MAX_SAFE_INTEGER ? '' : `, at most ${high}`;
  throw new RequestError(`${name} is ${value}, expected ${kind}${from}${to}`, name);
}
