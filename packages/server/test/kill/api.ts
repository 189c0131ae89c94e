/** Requests to a server that may be killed at any moment: a broken connection is the kill, any other answer a failure. */

/** The connection broke: whether the server did what it was asked is not known. */
export class Killed extends Error {}

export interface Api {
  get<Body>(path: string): Promise<Body>;
  /** @returns undefined where nothing is */
  find<Body>(path: string): Promise<Body | undefined>;
  post<Body>(path: string, body: unknown): Promise<Body>;
  remove(path: string): Promise<void>;
  /** The bytes of an answer. */
  bytes(path: string): Promise<Uint8Array>;
  /** The data of each event of a stream, but the last one's mark. */
  stream<Event>(path: string, body: unknown): Promise<Event[]>;
  form<Body>(path: string, fields: Readonly<Record<string, string | File>>): Promise<Body>;
}

export function apiAt(url: string): Api {
  const send = async <Result>(
    path: string,
    init: RequestInit,
    read: (response: Response) => Promise<Result>,
  ) => {
    try {
      const response = await fetch(`${url}${path}`, init);
      if (!response.ok && response.status !== 404)
        throw new Error(`${init.method} ${path}: ${response.status} ${await response.text()}`);
      return await read(response);
    } catch (error) {
      if (error instanceof TypeError) throw new Killed(`${init.method} ${path}`, { cause: error });
      throw error;
    }
  };
  const there = (response: Response, path: string): Response => {
    if (response.status === 404) throw new Error(`${path} is not there`);
    return response;
  };
  const json = (path: string, init: RequestInit) =>
    send(path, init, (response) => there(response, path).json()) as Promise<never>;
  const posted = (body: unknown) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return {
    get: (path) => json(path, { method: 'GET' }),
    find: (path) =>
      send(path, { method: 'GET' }, async (response) => {
        const body: unknown = await response.json();
        return (response.status === 404 ? undefined : body) as never;
      }),
    post: (path, body) => json(path, posted(body)),
    remove: (path) => json(path, { method: 'DELETE' }),
    bytes: (path) =>
      send(
        path,
        { method: 'GET' },
        async (response) => new Uint8Array(await there(response, path).arrayBuffer()),
      ),
    stream: (path, body) =>
      send(path, posted(body), async (response) => {
        const text = await there(response, path).text();
        const data = text.match(/(?<=^data: ).*$/gm) ?? [];
        return data.filter((line) => line !== '[DONE]').map((line) => JSON.parse(line) as never);
      }),
    form(path, fields) {
      const body = new FormData();
      for (const [name, value] of Object.entries(fields)) body.append(name, value);
      return json(path, { method: 'POST', body });
    },
  };
}
