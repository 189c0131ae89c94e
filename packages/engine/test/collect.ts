/** Reads a stream of events to its end and takes it apart. */

import type { GenerateEvent, TokenLogprob } from '../src/types.ts';

export type Finish = Extract<GenerateEvent, { type: 'finish' }>;

export interface Collected {
  readonly events: readonly GenerateEvent[];
  readonly text: string;
  readonly tokens: readonly number[];
  readonly logprobs: readonly TokenLogprob[];
  readonly promptLogprobs: readonly TokenLogprob[];
  readonly finish: Finish;
}

export async function collect(stream: AsyncIterable<GenerateEvent>): Promise<Collected> {
  const events: GenerateEvent[] = [];
  for await (const event of stream) events.push(event);
  const texts = events.flatMap((event) => (event.type === 'text' ? [event] : []));
  const finishes = events.flatMap((event) => (event.type === 'finish' ? [event] : []));
  if (finishes.length !== 1 || events.at(-1) !== finishes[0])
    throw new Error('expected one finish, at the end');
  return {
    events,
    text: texts.map(({ text }) => text).join(''),
    tokens: texts.flatMap(({ tokens }) => tokens),
    logprobs: texts.flatMap(({ logprobs }) => logprobs ?? []),
    promptLogprobs: events.flatMap((event) => (event.type === 'promptLogprobs' ? event.tokens : [])),
    finish: finishes[0] as Finish,
  };
}
