/** Asks a server, and keeps what it answers beside the type that the answer should have. */

import type { Recording } from './compile.ts';

export class Recorder {
  readonly recordings: Recording[] = [];
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  get<Body = Record<string, never>>(path: string, type: string): Promise<Body> {
    return this.#record(path, type, { method: 'GET' });
  }

  post<Body = { readonly id: string }>(path: string, type: string, body?: unknown): Promise<Body> {
    const sent =
      body instanceof FormData
        ? { body }
        : { body: JSON.stringify(body ?? {}), headers: { 'content-type': 'application/json' } };
    return this.#record(path, type, { method: 'POST', ...sent });
  }

  remove(path: string, type: string): Promise<unknown> {
    return this.#record(path, type, { method: 'DELETE' });
  }

  /** Each event by itself. */
  async stream<Event = { readonly type: string }>(
    path: string,
    type: string,
    body: object,
  ): Promise<Event[]> {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const response = await this.#send(path, { ...init, body: JSON.stringify({ ...body, stream: true }) });
    const data = (await response.text()).match(/(?<=^data: ).*$/gm) ?? [];
    const events = data.filter((line) => line !== '[DONE]').map((line) => JSON.parse(line) as Event);
    this.recordings.push({ name: `the stream of POST ${path}`, type: `(${type})[]`, value: events });
    return events;
  }

  /** Until the answer, which is not recorded, holds what is wanted. */
  async until<Body>(path: string, holds: (body: Body) => boolean): Promise<void> {
    for (;;) {
      const body = (await (await this.#send(path, { method: 'GET' })).json()) as Body;
      if (holds(body)) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #record<Body>(path: string, type: string, init: RequestInit): Promise<Body> {
    const response = await this.#send(path, init);
    const value = (await response.json()) as Body;
    if (response.ok === (type === 'Failure'))
      throw new Error(`${init.method} ${path}: ${response.status} ${JSON.stringify(value)}`);
    this.recordings.push({ name: `${init.method} ${path} (${this.recordings.length})`, type, value });
    return value;
  }

  #send(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...init.headers, authorization: `Bearer ${this.#key}` };
    return fetch(`${this.#url}${path}`, { ...init, headers });
  }
}
