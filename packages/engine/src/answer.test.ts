import { describe, expect, it } from 'vitest';
import { Answer } from './answer.ts';
import type { GenerateEvent, GenerateOptions } from './types.ts';
import { WordTokenizer } from './word-tokenizer.ts';

const usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
const timing = { queuedMs: 0, prefillMs: 0, decodeMs: 0 };

/** Text events of an answer of `tokens`, up to a stop string or the end. */
function answer(tokenizer: WordTokenizer, tokens: readonly number[], options: GenerateOptions) {
  const events: GenerateEvent[] = [];
  const own = new Answer(tokenizer, options, {
    emit: (event) => events.push(event),
    fail: () => undefined,
  });
  let stop: string | undefined;
  const row = new Float32Array(tokenizer.vocabSize);
  for (const id of tokens) if (stop === undefined) stop = own.push(id, row);
  own.finish('stop', stop, usage, timing);
  return events.flatMap((event) => (event.type === 'text' ? [event] : []));
}

describe('answer', () => {
  it('attributes to each text the tokens that it completes', () => {
    const tokenizer = new WordTokenizer();
    const tokens = tokenizer.encode('caf\u00e9 \u{1f98a}!');
    // `caf`, two bytes, a space, four bytes, `!`
    expect(tokens).toHaveLength(9);
    expect(answer(tokenizer, tokens, {}).map((event) => [event.text, event.tokens.length])).toEqual([
      ['caf', 1],
      ['\u00e9', 2],
      [' ', 1],
      ['\u{1f98a}', 4],
      ['!', 1],
    ]);
  });

  it('leaves an unfinished character out, but not its tokens', () => {
    const tokenizer = new WordTokenizer();
    const tokens = tokenizer.encode('a\u{1f98a}').slice(0, 3);
    const events = answer(tokenizer, tokens, { logprobs: 0 });
    expect(events.map(({ text }) => text).join('')).toBe('a');
    expect(events.flatMap((event) => event.tokens)).toEqual(tokens);
    expect(events.flatMap((event) => event.logprobs ?? [])).toHaveLength(3);
  });

  it('shows held text with its tokens once it cannot be a stop string', () => {
    const tokenizer = new WordTokenizer();
    const tokens = tokenizer.encode('one two three four');
    const held = answer(tokenizer, tokens, { stop: ['two three five'] });
    expect(held.map((event) => [event.text, event.tokens.length])).toEqual([
      ['one', 1],
      [' ', 0],
      ['two three four', 3],
    ]);
    // The tokens of a stop string are not part of the answer, but one that only ends in it is.
    const stopped = answer(tokenizer, tokens, { stop: ['o three'] });
    expect(stopped.map(({ text }) => text).join('')).toBe('one tw');
    expect(stopped.flatMap((event) => event.tokens)).toEqual(tokens.slice(0, 2));
  });

  it('gives log-probabilities with the tokens that they belong to', () => {
    const tokenizer = new WordTokenizer();
    const tokens = tokenizer.encode('one two');
    for (const event of answer(tokenizer, tokens, { logprobs: 2 })) {
      expect(event.logprobs?.map(({ id }) => id)).toEqual(event.tokens);
      expect(event.logprobs?.[0]?.top).toHaveLength(2);
      expect(event.logprobs?.[0]?.logprob).toBeCloseTo(-Math.log(tokenizer.vocabSize), 5);
    }
    expect(answer(tokenizer, tokens, {})[0]).not.toHaveProperty('logprobs');
  });
});
