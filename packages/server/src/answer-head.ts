/** The fields that begin every answer object: its id, when, by which model, and the fingerprint of what computed it. */

import { createHash, randomUUID } from 'node:crypto';
import type { ModelInfo } from '@steelyard/engine';

export interface AnswerHead {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

/** @param prefix of the id: `chatcmpl`, `cmpl` */
export function answerHead(prefix: string, info: ModelInfo, version: string): AnswerHead {
  return {
    id: newAnswerId(prefix),
    created: Math.floor(Date.now() / 1000),
    model: info.name,
    system_fingerprint: fingerprint(info, version),
  };
}

export function newAnswerId(prefix: string): string {
  return `${prefix}-${randomUUID().replaceAll('-', '')}`;
}

/** Same fingerprint and same seed: same answer, as far as model, version and backend decide it. */
function fingerprint(info: ModelInfo, version: string): string {
  const { name, architecture, quantisation, parameterCount, backend, kvDType } = info;
  const parts = [version, name, architecture, quantisation, parameterCount, backend, kvDType];
  return `fp_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 10)}`;
}
