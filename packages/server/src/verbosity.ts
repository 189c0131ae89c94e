/** `verbosity`: no open-weight model has such a switch, so it is asked in words, in the system message. */

import type { ChatMessage } from '@steelyard/text';

export type Verbosity = 'low' | 'medium' | 'high' | null | undefined;

const hints = {
  low: 'Answer as briefly as possible.',
  high: 'Answer thoroughly and in detail.',
};

/** The messages with a hint at the end of the first system message, or with one of its own; `medium` asks nothing. */
export function withVerbosity(
  messages: readonly ChatMessage[],
  verbosity: Verbosity,
): readonly ChatMessage[] {
  if (verbosity !== 'low' && verbosity !== 'high') return messages;
  const hint = hints[verbosity];
  const [first, ...rest] = messages;
  if (first?.role !== 'system') return [{ role: 'system', content: hint }, ...messages];
  return [{ ...first, content: `${first.content as string}\n\n${hint}` }, ...rest];
}
