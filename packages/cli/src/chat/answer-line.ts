/** The dim line under an answer: how much, how fast, how soon. */

import type { Timing, Usage } from '@steelyard/engine';
import { formatDuration, formatTokenRate, plural } from '../terminal/format.ts';
import type { Answer } from './conversation.ts';

/** Tokens per second after the first token; NaN when there was no second. */
export function decodeRate(usage: Usage, timing: Timing): number {
  return usage.completionTokens > 1 && timing.decodeMs > 0
    ? ((usage.completionTokens - 1) / timing.decodeMs) * 1000
    : NaN;
}

/** `23 tokens · 31.2 tokens/s · first token after 210 ms` */
export function answerLine({ usage, timing, reason }: Answer): string {
  const rate = decodeRate(usage, timing);
  return [
    plural(usage.completionTokens, 'token'),
    ...(Number.isNaN(rate) ? [] : [`${formatTokenRate(rate)} tokens/s`]),
    ...(usage.completionTokens > 0
      ? [`first token after ${formatDuration(timing.queuedMs + timing.prefillMs)}`]
      : []),
    ...(reason === 'length' ? ['cut at the length limit'] : reason === 'abort' ? ['stopped'] : []),
  ].join(' · ');
}
