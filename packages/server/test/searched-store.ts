/** Vector stores for tests of what searches them. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Hono } from 'hono';
import type { AppEnv } from '../src/app.ts';
import { upload } from './multipart.ts';
import { post } from './requests.ts';

/** A store of files, once they are read. @param files text by name */
export async function storeOf(
  app: Hono<AppEnv>,
  files: Readonly<Record<string, string>>,
): Promise<{ readonly id: string; readonly fileIds: readonly string[] }> {
  const file_ids: string[] = [];
  for (const [name, text] of Object.entries(files)) {
    const file = new File([text], name);
    const response = await upload(app, { purpose: 'assistants', file });
    file_ids.push(((await response.json()) as { id: string }).id);
  }
  const { id } = (await (await post(app, '/v1/vector_stores', { file_ids })).json()) as { id: string };
  for (;;) {
    const store = (await (await app.request(`/v1/vector_stores/${id}`)).json()) as { status: string };
    if (store.status === 'completed') return { id, fileIds: file_ids };
    await sleep(10);
  }
}

/** How a model of the marks `<tool_call>` writes a call. */
export function calling(name: string, args: object): string {
  // With spaces, so that it comes in several tokens.
  const json = JSON.stringify({ name, arguments: args }).replaceAll(',"', ', "').replaceAll('":', '": ');
  return `<tool_call>\n${json}\n</tool_call>`;
}
