/** Guesses at next tokens: answers stay what they are, in fewer steps; nobody else pays for them. */

import { describe, expect, it } from 'vitest';
import type { GenerateOptions } from '../src/types.ts';
import { collect } from './collect.ts';
import { greedy, promptOf, toyEngine, type ToyEngineOptions } from './toy-engine.ts';

const TOKENS = 120;
/** Its greedy answers go round in a circle before long. */
const repeating = { reach: 1, contextLength: 256 };

async function answer(options: ToyEngineOptions, asked: GenerateOptions = greedy(TOKENS)) {
  const toy = await toyEngine(options);
  const { tokens, finish, text } = await collect(toy.engine.generate(promptOf(1, 9), asked));
  return { tokens, finish, text, stats: toy.engine.stats(), steps: toy.steps };
}

describe('an answer that repeats itself', () => {
  it.each([
    ['greedy', 60, { temperature: 0 }],
    ['drawn', 0, { temperature: 0.2, seed: 7 }],
    ['with penalties', 20, { temperature: 0, frequencyPenalty: 0.01 }],
  ])('%s is the same in fewer steps', async (_, least, sampling) => {
    const asked = { maxTokens: TOKENS, sampling };
    const plain = await answer({ ...repeating, speculation: false }, asked);
    const guessed = await answer(repeating, asked);
    expect(guessed.tokens).toEqual(plain.tokens);
    expect(plain.stats).toMatchObject({ stepsTotal: TOKENS, guessedTokensTotal: 0 });
    const { stepsTotal, rightGuessesTotal, completionTokensTotal } = guessed.stats;
    expect(stepsTotal + rightGuessesTotal).toBe(completionTokensTotal);
    expect(rightGuessesTotal).toBeGreaterThan(least);
  });

  it('ends where a stop string comes among guesses that were right', async () => {
    const { text } = await answer(repeating);
    const stop = [text.slice(100, 104)];
    const plain = await answer({ ...repeating, speculation: false }, { ...greedy(TOKENS), stop });
    const guessed = await answer(repeating, { ...greedy(TOKENS), stop });
    expect(plain.finish.reason).toBe('stop');
    expect([guessed.text, guessed.finish.reason]).toEqual([plain.text, 'stop']);
  });

  it('gets no position beyond the context or its last token', async () => {
    const { steps, tokens } = await answer({ reach: 1, contextLength: 64 }, greedy(200));
    expect(tokens).toHaveLength(64 - 9);
    const last = Math.max(...steps.flatMap(({ inputs }) => [...(inputs['positions'] as Int32Array)]));
    expect(last).toBeLessThan(63);
  });

  it('is not guessed at by a model whose state cannot go back', async () => {
    const { stats } = await answer({ ...repeating, recurrent: true });
    expect(stats).toMatchObject({ stepsTotal: TOKENS, guessedTokensTotal: 0 });
  });
});

it('guesses take only what others leave of a step', async () => {
  const toy = await toyEngine({ ...repeating, maxBatchTokens: 40, maxSequences: 20 });
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => collect(toy.engine.generate(promptOf(i, 9), greedy(40)))),
  );
  expect(answers.map(({ tokens }) => tokens.length)).toEqual(Array(20).fill(40));
  const rowsBeside = toy.steps.filter(({ dims }) => dims['V']! > dims['S']!).map(({ dims }) => dims['V']);
  expect(rowsBeside.length).toBeGreaterThan(0);
  expect(Math.max(...(rowsBeside as number[]))).toBeLessThanOrEqual(16);
});

describe('a prediction', () => {
  it('that comes true is told as accepted and saves steps', async () => {
    const options = { contextLength: 256 };
    const plain = await answer({ ...options, speculation: false });
    const predicted = await answer(options, { ...greedy(TOKENS), prediction: plain.text });
    expect(predicted.tokens).toEqual(plain.tokens);
    expect(predicted.stats.stepsTotal).toBeLessThan(TOKENS / 5);
    const { accepted, rejected } = predicted.finish.usage.predictedTokens!;
    expect(accepted).toBe(predicted.stats.rightGuessesTotal);
    expect(rejected).toBe(0);
  });

  it('that is right but for a word in the middle is taken up again behind it', async () => {
    const { text, tokens } = await answer({ contextLength: 256, speculation: false });
    const prediction = `${text.slice(0, 60)}!!!${text.slice(64)}`;
    const predicted = await answer({ contextLength: 256 }, { ...greedy(TOKENS), prediction });
    expect(predicted.tokens).toEqual(tokens);
    const { accepted, rejected } = predicted.finish.usage.predictedTokens!;
    expect(accepted).toBeGreaterThan(90);
    expect(rejected).toBeGreaterThan(0);
  });

  it('that is wrong changes nothing', async () => {
    const plain = await answer({ contextLength: 256, speculation: false });
    const predicted = await answer(
      { contextLength: 256 },
      { ...greedy(TOKENS), prediction: '~'.repeat(500) },
    );
    expect(predicted.tokens).toEqual(plain.tokens);
    expect(predicted.finish.usage.predictedTokens!.accepted).toBe(0);
  });
});
