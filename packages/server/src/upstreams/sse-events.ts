/** Objects of a stream of server-sent events, or the one of a whole answer. What is no JSON object is passed over. */

type Json = Readonly<Record<string, unknown>>;

export const DONE = '[DONE]';

/** @param streams whether the body is a stream of events */
export async function* eventsIn(
  body: ReadableStream<Uint8Array>,
  streams: boolean,
): AsyncGenerator<Json, void> {
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    buffer += decoder.decode(chunk, { stream: true });
    for (let end = frameEnd(buffer); streams && end > 0; end = frameEnd(buffer)) {
      const told = parsed(dataOf(buffer.slice(0, end)));
      buffer = buffer.slice(end);
      if (told) yield told;
    }
  }
  buffer += decoder.decode();
  const last = parsed(streams ? dataOf(buffer) : buffer);
  if (last) yield last;
}

/** Where the first event ends; 0 while none has. */
export function frameEnd(text: string): number {
  const blank = /\r?\n\r?\n/.exec(text);
  return blank ? blank.index + blank[0].length : 0;
}

/** What an event says, without the names of its fields. */
export function dataOf(frame: string): string {
  return frame
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).trimStart())
    .join('\n');
}

export function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
