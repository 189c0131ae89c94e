import { describe, expect, it } from 'vitest';
import { EventStream, type EventSink } from './event-stream.ts';
import type { GenerateEvent } from './types.ts';

const text = (value: string): GenerateEvent => ({ type: 'text', text: value, tokens: [] });
const finish: GenerateEvent = {
  type: 'finish',
  reason: 'stop',
  usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 },
  timing: { queuedMs: 0, prefillMs: 0, decodeMs: 0 },
};
const end = { done: true, value: undefined };

function open() {
  let sink: EventSink | undefined;
  let left = 0;
  const stream = new EventStream((own) => {
    sink = own;
    return () => left++;
  });
  return { stream, sink: () => sink as EventSink, left: () => left };
}

describe('event stream', () => {
  it('hands events over in order, buffered or awaited', async () => {
    const { stream, sink } = open();
    const first = stream.next();
    const second = stream.next();
    for (const event of [text('a'), text('b'), text('c'), finish]) sink().emit(event);
    expect((await first).value).toEqual(text('a'));
    expect((await second).value).toEqual(text('b'));
    expect((await stream.next()).value).toEqual(text('c'));
    expect((await stream.next()).value).toEqual(finish);
    expect(await stream.next()).toEqual(end);
  });

  it('starts at the first next and reports a refusal there', async () => {
    const idle = open();
    expect(idle.sink()).toBeUndefined();
    const stream = new EventStream(() => {
      throw new Error('refused');
    });
    await expect(stream.next()).rejects.toThrow('refused');
    expect(await stream.next()).toEqual(end);
  });

  it('gives what came before a failure, then the failure once', async () => {
    const { stream, sink } = open();
    const first = stream.next();
    sink().emit(text('a'));
    sink().emit(text('b'));
    sink().fail(new Error('broken'));
    expect((await first).value).toEqual(text('a'));
    expect((await stream.next()).value).toEqual(text('b'));
    await expect(stream.next()).rejects.toThrow('broken');
    expect(await stream.next()).toEqual(end);
    const waiting = open();
    const pending = waiting.stream.next();
    waiting.sink().fail(new Error('broken'));
    await expect(pending).rejects.toThrow('broken');
  });

  it('ends when its reader leaves, and tells the other side once', async () => {
    const { stream, sink, left } = open();
    const pending = stream.next();
    await stream.return();
    await stream.return();
    expect(await pending).toEqual(end);
    expect(left()).toBe(1);
    sink().emit(text('late'));
    sink().fail(new Error('late'));
    expect(await stream.next()).toEqual(end);
  });
});
