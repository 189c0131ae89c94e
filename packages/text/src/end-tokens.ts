/** Which tokens end a generation. Files name one; chat models stop at others too. */

/**
 * Spellings that end a turn or a text in published models. `<|end|>` is not among them: see `endTokenIds`.
 * The two DeepSeek characters are U+FF5C and U+2581.
 */
const spellings = [
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|im_end|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|eot|>',
  '<|eom|>',
  '<end_of_turn>',
  '<turn|>',
  '<|return|>',
  '<|call|>',
  '<|END_OF_TURN_TOKEN|>',
  '<|endofturn|>',
  '<end_of_utterance>',
  '<EOT>',
  '<\uff5cend\u2581of\u2581sentence\uff5c>',
  '<\uff5cEOT\uff5c>',
  '[EOT]',
];

/**
 * Ids of the named tokens that the vocabulary has as added tokens, with the ids that the files declare.
 * In gpt-oss's format `<|end|>` closes a message, not the answer; there `<|return|>` and `<|call|>` end it.
 */
export function endTokenIds(
  declared: Iterable<number>,
  addedId: (content: string) => number | undefined,
): number[] {
  const ids = new Set(declared);
  for (const spelling of spellings) {
    const id = addedId(spelling);
    if (id !== undefined) ids.add(id);
  }
  const end = addedId('<|end|>');
  const harmony = addedId('<|return|>') !== undefined && addedId('<|call|>') !== undefined;
  if (end !== undefined && !harmony) ids.add(end);
  return [...ids].sort((a, b) => a - b);
}
