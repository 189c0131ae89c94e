/** Endpoints that belong together on one page, with examples that tests run as they stand. */

/** Where examples say they call; a page shows the address that it was itself served from. */
export const EXAMPLE_BASE = 'http://127.0.0.1:8642';

export interface Example {
  readonly title: string;
  readonly language: 'sh' | 'js';
  /**
   * Calls `EXAMPLE_BASE`, and `MODEL` or `EMBEDDING_MODEL` where it names a model. An example of a shell ends with a
   * status other than 0 when it fails.
   */
  readonly code: string;
}

export interface Group {
  /** Last part of its page's address. */
  readonly slug: string;
  readonly title: string;
  readonly text: string;
  /** A path belongs to the group with the longest of these that it starts with. */
  readonly paths: readonly string[];
  readonly examples: readonly Example[];
}

/** A client of OpenAI's SDK for Node, at this server. */
export const CLIENT = `import OpenAI from 'openai';

const client = new OpenAI({ baseURL: '${EXAMPLE_BASE}/v1', apiKey: 'none' });`;

/** `curl` with a JSON body, indented as people write it. */
export function curl(path: string, body: unknown): string {
  const data = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl --fail-with-body -s ${EXAMPLE_BASE}${path} \\
  -H 'content-type: application/json' \\
  -d '${data}'`;
}
