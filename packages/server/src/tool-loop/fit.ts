/** What of a result the model is shown: as much as leaves room for the rest of the conversation and an answer. */

import type { LoopStart } from './server-tool.ts';

/** Share of the model's context that one result may fill. */
const SHARE = 0.35;

type Context = Pick<LoopStart, 'contextLength' | 'countTokens'>;

/** Tokens. */
export function roomFor({ contextLength }: Context): number {
  return Math.floor(contextLength * SHARE);
}

/** The beginning of a text that is too long, with a word about the rest. */
export function cutToFit(text: string, context: Context): string {
  const room = roomFor(context);
  // A token has one character at least, as good as always.
  if (text.length <= room) return text;
  let kept = text;
  for (
    let tokens = context.countTokens(kept);
    tokens > room && kept !== '';
    tokens = context.countTokens(kept)
  )
    kept = kept.slice(0, Math.floor(kept.length * Math.min(0.9, room / tokens)));
  return kept === text ? text : `${kept}\n[cut here: ${text.length - kept.length} characters more]`;
}
