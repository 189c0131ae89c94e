import { expect, it } from 'vitest';
import { Conversation } from './conversation.ts';

it('alternates questions and answers, and takes an unanswered question back', () => {
  const conversation = new Conversation();
  expect(conversation.ask('  ')).toBe(false);
  expect(conversation.ask(' hi ')).toBe(true);
  conversation.answer('hello');
  conversation.ask('more');
  expect(conversation.turns.map((turn) => turn.content)).toEqual(['hi', 'hello', 'more']);
  conversation.answer('');
  expect(conversation.takeBack()).toBe('more');
  expect(conversation.takeBack()).toBeUndefined();
  expect(conversation.turns).toHaveLength(2);
  conversation.clear();
  expect(conversation.isEmpty).toBe(true);
});
