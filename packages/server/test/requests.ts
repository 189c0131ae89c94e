/** Requests to an app without a socket. */

import type { Hono } from 'hono';
import type { AppEnv } from '../src/app.ts';

export function post(app: Hono<AppEnv>, path: string, body: unknown): Promise<Response> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
  return Promise.resolve(app.request(path, init));
}

/** The parsed events of a stream. @throws Error unless it ends with `[DONE]` */
export async function events<Event>(response: Response): Promise<Event[]> {
  const frames = (await response.text()).trimEnd().split('\n\n');
  if (frames.pop() !== 'data: [DONE]') throw new Error('the stream has no [DONE]');
  return frames.map((frame) => JSON.parse(frame.slice('data: '.length)) as Event);
}

/** The events of a stream whose frames are named and that ends without a mark. */
export async function namedEvents<Event extends { type: string }>(response: Response): Promise<Event[]> {
  const frames = (await response.text()).split('\n\n');
  if (frames.pop() !== '') throw new Error('the stream ends within an event');
  return frames.map((frame) => {
    const [, name, data] = /^event: (.+)\ndata: (.+)$/.exec(frame) ?? [];
    const event = JSON.parse(data ?? 'null') as Event;
    if (event?.type !== name) throw new Error(`not an event of the name that it bears: ${frame}`);
    return event;
  });
}
