import { createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { Conversation } from './conversation.ts';

const ignore = (): void => undefined;

/** A conversation whose model answers with what it was sent. */
function echo(delayMs = 0) {
  const seen: string[][] = [];
  const model = createStubModel({
    delayMs,
    reply: (messages) => {
      seen.push(messages.map((m) => `${m.role}: ${JSON.stringify(m.content)}`));
      return `answer ${seen.length}`;
    },
  });
  return { seen, conversation: new Conversation(model, { sampling: {} }) };
}

describe('Conversation', () => {
  it('sends the whole conversation, system text first', async () => {
    const { seen, conversation } = echo();
    conversation.system = 'be kind';
    await conversation.ask('one', ignore);
    await conversation.ask('two', ignore);
    expect(seen[1]).toEqual(['system: "be kind"', 'user: "one"', 'assistant: "answer 1"', 'user: "two"']);
  });

  it('streams what it returns', async () => {
    const { conversation } = echo();
    let streamed = '';
    const answer = await conversation.ask('x', (text) => (streamed += text));
    expect([streamed, answer.text]).toEqual(['answer 1', 'answer 1']);
  });

  it('keeps thoughts out of the answer and of what it sends on', async () => {
    const seen: unknown[] = [];
    const model = createStubModel({
      marks: '</think>',
      reply: (messages) => (seen.push(...messages.map((m) => m.content)), '<think>Hm.</think>Yes.'),
    });
    const conversation = new Conversation(model, { sampling: {} });
    const shown: string[] = [];
    const answer = await conversation.ask('one', (text, kind) => shown.push(`${kind}: ${text}`));
    expect(answer).toMatchObject({ text: 'Yes.', reasoning: 'Hm.' });
    expect(shown.join(' ')).toBe('reasoning: Hm. text: Yes.');
    await conversation.ask('two', ignore);
    expect(seen).toEqual(['one', 'one', 'Yes.', 'two']);
  });

  it('answers the last message again', async () => {
    const { seen, conversation } = echo();
    await conversation.ask('one', ignore);
    await conversation.regenerate(ignore);
    expect(seen[1]).toEqual(['user: "one"']);
    expect(conversation.messages.map((m) => m.content)).toEqual(['one', 'answer 2']);
  });

  it('has nothing to answer again at first', async () => {
    await expect(echo().conversation.regenerate(ignore)).rejects.toThrow('no message');
  });

  it('keeps a stopped answer as far as it came', async () => {
    const { conversation } = echo(1);
    const stop = new AbortController();
    const answer = await conversation.ask('one', () => stop.abort(), stop.signal);
    expect(answer.reason).toBe('abort');
    expect(answer.text.length).toBeLessThan('answer 1'.length);
    expect(conversation.messages.at(-1)).toEqual({ role: 'assistant', content: answer.text });
  });

  it('takes a message back whose answer failed', async () => {
    const model = createStubModel({ contextLength: 30, reply: () => 'ok' });
    const conversation = new Conversation(model, { sampling: {} });
    await conversation.ask('short', ignore);
    await expect(conversation.ask('x '.repeat(100), ignore)).rejects.toThrow('30');
    expect(conversation.messages.map((m) => m.content)).toEqual(['short', 'ok']);
  });

  it('survives a round trip through a file, and refuses other files', async () => {
    const { conversation } = echo();
    conversation.system = 'be kind';
    await conversation.ask('one', ignore);
    const copy = echo().conversation;
    copy.restore(JSON.parse(JSON.stringify(conversation)));
    expect(copy.toJSON()).toEqual(conversation.toJSON());
    for (const bad of [
      null,
      3,
      {},
      { messages: [{ role: 'root', content: 'x' }] },
      { messages: [{ role: 'user' }] },
    ]) {
      expect(() => copy.restore(bad)).toThrow(/message/);
    }
    expect(copy.messages).toHaveLength(2);
  });
});
